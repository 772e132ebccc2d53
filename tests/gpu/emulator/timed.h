// Lines of cases.jsonl (record.cc).
#ifndef TIMED_H_
#define TIMED_H_

#include <cstdio>
#include <cstring>
#include <ostream>
#include <string>
#include <utility>

namespace keras_slayer {

// Lines of the launches of timed.cc.
void write_timed(std::ostream& lines);

// The arguments of a kernel as `"args": ..., "pointers": ...`. `find` gives the number of the array
// that an address is in, and where in it; or -1. Addresses are taken out of the arguments.
template <class Find>
std::string describe(const void* args, size_t size, Find find) {
  std::string text(static_cast<const char*>(args), size), hexadecimal, pointers;
  for (size_t at = 0; at + sizeof(void*) <= size; at += sizeof(void*)) {
    unsigned long long address = 0;
    std::memcpy(&address, text.data() + at, sizeof(void*));
    const std::pair<long long, long long> found = find(address);
    if (found.first < 0) continue;
    pointers += std::string(pointers.empty() ? "" : ", ") + "[" + std::to_string(at) + ", " +
                std::to_string(found.first) + ", " + std::to_string(found.second) + "]";
    text.replace(at, sizeof(void*), sizeof(void*), 0);
  }
  char digits[3];
  for (const char byte : text) {
    std::snprintf(digits, sizeof(digits), "%02x", unsigned(static_cast<unsigned char>(byte)));
    hexadecimal += digits;
  }
  return "\"args\": \"" + hexadecimal + "\", \"pointers\": [" + pointers + "]";
}

}  // namespace keras_slayer

#endif  // TIMED_H_
