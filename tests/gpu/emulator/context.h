// Where a fiber is: it runs on a stack of its own and goes on where it was left.
//
// On x86-64 a few instructions of its own: those of the system call the kernel each time, and
// AddressSanitizer clears the whole stack then. Elsewhere the system's.
#ifndef CONTEXT_H_
#define CONTEXT_H_

#include <sys/mman.h>

#include <cstddef>
#include <new>

// Memory that costs nothing until it is touched.
inline char* new_stack(size_t size) {
  void* stack =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(stack);
}

#if defined(__x86_64__)

// Saves the registers that functions keep and the stack pointer, and loads those of `to`.
extern "C" void cuda_host_switch(void** from, void* to);
asm(R"(
.text
.local cuda_host_switch
.type cuda_host_switch, @function
cuda_host_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_host_switch, .-cuda_host_switch
)");

class Context {
 public:
  // To begin with `entry`, which never returns.
  void start(char* stack, size_t size, void (*entry)()) {
    void** top = reinterpret_cast<void**>(stack + size);
    *--top = nullptr;  // in place of a return address: the stack is aligned as after a call
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    pointer_ = top;
  }
  void go_to(Context* other) { cuda_host_switch(&pointer_, other->pointer_); }

 private:
  void* pointer_ = nullptr;
};

#else

#include <ucontext.h>

class Context {
 public:
  void start(char* stack, size_t size, void (*entry)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = size;
    makecontext(&context_, entry, 0);
  }
  void go_to(Context* other) { swapcontext(&context_, &other->context_); }

 private:
  ucontext_t context_;
};

#endif

#endif  // CONTEXT_H_
