// Cases of kernels, for programs without TensorFlow: one that a sanitizer watches (watch.cc), and
// one that writes them down, to be repeated on a card (record.cc).
//
//   KS_KERNEL_CASE(fir) {            // for each storage type T
//     FirArgs args = {..., run.input<T>(size), ..., run.output<T>(size)};
//     run.threads(size, args);       // as often as there are arguments worth it
//   }
//
// Every kernel has a case: watch.cc fails otherwise.
#ifndef KERNEL_CASE_H_
#define KERNEL_CASE_H_

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/shape.h"
#include "gpu/device.h"

namespace keras_slayer {

// One step and one neuron; fewer neurons than a warp; parts of a second and of a third block of
// threads; no step at all.
constexpr Shape kShapes[] = {{1, 1, 1}, {2, 9, 5}, {3, 5, 67}, {1, 6, 259}, {2, 0, 3}};
inline int64_t size_of(const Shape& shape) { return shape.batch * shape.steps * shape.inner; }

// Runs one kernel in one order of threads. Arrays end with the launch that they are made for. Each
// has its own piece of the heap, so that what lies beside it is nobody's.
class Run {
 public:
  Run(std::string kernel, unsigned seed) : kernel_(std::move(kernel)), seed_(seed) {}
  ~Run() { forget(); }
  Run(const Run&) = delete;

  // Numbers in [-2, 3).
  template <class T>
  T* input(int64_t size) {
    T* all = static_cast<T*>(allocate(size * sizeof(T), false, 0));
    for (int64_t i = 0; i < size; ++i) {
      noise_ = noise_ * 1664525 + 1013904223;
      store(all + i, ArithmeticOf<T>(double(noise_ >> 8) / double(1 << 24) * 5 - 2));
    }
    return all;
  }
  template <class T>
  T* input(const std::vector<T>& values) {
    T* all = static_cast<T*>(allocate(values.size() * sizeof(T), false, 0));
    for (size_t i = 0; i < values.size(); ++i) all[i] = values[i];
    return all;
  }
  // The kernel must write each element.
  template <class T>
  T* output(int64_t size) {
    return static_cast<T*>(allocate(size * sizeof(T), true, sizeof(T)));
  }
  // An input that the kernel writes over.
  template <class T>
  T* in_place(T* input) {
    for (Array& array : arrays_) array.is_output |= static_cast<void*>(array.data) == input;
    return input;
  }

  template <class Args>
  void blocks(int64_t count, const Args& args) {
    launch(count, &args, sizeof(Args));
  }
  template <class Args>
  void threads(int64_t count, const Args& args) {
    launch(block_count(count, kThreads), &args, sizeof(Args));
  }

  // Of the outputs of all launches: the same in every order of threads.
  uint64_t digest() const { return digest_; }
  const std::string& failures() const { return failures_; }

 private:
  struct Array {
    char* data;
    size_t bytes;
    bool is_output;
    size_t element;  // bytes; 0 if the array held something before
  };
  void* allocate(size_t bytes, bool is_output, size_t element);
  void launch(int64_t blocks, const void* args, size_t bytes);
  void read_outputs();
  void forget();

  std::string kernel_, failures_;
  unsigned seed_;
  uint32_t noise_ = 1;
  uint64_t digest_ = 14695981039346656037u;
  std::vector<Array> arrays_;
};

using CaseFunction = void (*)(Run&);
std::map<std::string, CaseFunction>& cases();  // by the name of the kernel, with its type
struct Case {
  Case(const std::string& kernel, CaseFunction function) { cases()[kernel] = function; }
  Case(const std::string& kernel, CaseFunction of_float, CaseFunction of_double,
       CaseFunction of_half, CaseFunction of_bfloat16) {
    cases()[kernel + "_float"] = of_float;
    cases()[kernel + "_double"] = of_double;
    cases()[kernel + "_Half"] = of_half;
    cases()[kernel + "_Bfloat16"] = of_bfloat16;
  }
};

#define KS_KERNEL_CASE(kernel)                                                                \
  template <class T>                                                                          \
  void kernel##_case(Run& run);                                                               \
  static const Case entered_##kernel = {#kernel, kernel##_case<float>, kernel##_case<double>, \
                                        kernel##_case<Half>, kernel##_case<Bfloat16>};        \
  template <class T>                                                                          \
  void kernel##_case(Run& run)

}  // namespace keras_slayer

#endif  // KERNEL_CASE_H_
