// Runs examples/cpp/run_recording.cc once for each of many networks, in one process:
//
//   many_networks STEPS DT EVENTS.csv ... -- NETWORK.ksn ...
//
// Prints "exit status" after what each of them prints.
#include <cstring>

#define main run_recording
#include "run_recording.cc"
#undef main

int main(int count, char** arguments) {
  int end = 1;
  while (end < count && std::strcmp(arguments[end], "--") != 0) ++end;
  for (int network = end + 1; network < count; ++network) {
    std::vector<char*> own = {arguments[0], arguments[network]};
    own.insert(own.end(), arguments + 1, arguments + end);
    const int status = run_recording(static_cast<int>(own.size()), own.data());
    std::fflush(stdout);
    std::fprintf(stderr, "exit %d\n", status);
  }
  return 0;
}
