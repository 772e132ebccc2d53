// Runs a SavedModel by TensorFlow's C API, as a server in C or C++ does, without Python:
//
//   run_saved_model LIBRARY FOLDER INPUT OUTPUT SIZE ... < INPUT.f32 > OUTPUT.f32
//
// LIBRARY is the file that keras_slayer.ops.library_path() names; INPUT and OUTPUT are the names
// that `saved_model_cli show --dir FOLDER --tag_set serve --signature_def serving_default` prints;
// SIZE ... the shape of the input. Input and output are float32 without a heading.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensorflow/c/c_api.h"

TF_Status* const status = TF_NewStatus();

void check(const char* what) {
  if (TF_GetCode(status) != TF_OK) {
    throw std::runtime_error(std::string(what) + ": " + TF_Message(status));
  }
}

// A name such as serving_default_x:0.
TF_Output output_of(TF_Graph* graph, const std::string& name) {
  const size_t colon = name.find(':');
  TF_Operation* const operation = TF_GraphOperationByName(graph, name.substr(0, colon).c_str());
  if (operation == nullptr || colon == std::string::npos) {
    throw std::runtime_error("the graph has no " + name);
  }
  return {operation, std::atoi(name.c_str() + colon + 1)};
}

int run(int count, char** arguments) {
  TF_LoadLibrary(arguments[1], status);  // before the SavedModel
  check(arguments[1]);
  const char* const tags[] = {"serve"};
  TF_Graph* const graph = TF_NewGraph();
  TF_SessionOptions* const options = TF_NewSessionOptions();
  TF_Session* const session = TF_LoadSessionFromSavedModel(options, nullptr, arguments[2], tags, 1,
                                                           graph, nullptr, status);
  check(arguments[2]);
  const TF_Output input = output_of(graph, arguments[3]), output = output_of(graph, arguments[4]);

  std::vector<int64_t> shape;
  size_t bytes = sizeof(float);
  for (int i = 5; i < count; ++i) {
    char* end = nullptr;
    shape.push_back(std::strtoll(arguments[i], &end, 10));
    if (*end != '\0' || shape.back() < 1 || shape.back() > (1 << 24) || bytes > (1 << 30)) {
      throw std::runtime_error(std::string("SIZE must be a whole number, and the input have 2^30 "
                                           "bytes at most. Received: ") + arguments[i]);
    }
    bytes *= static_cast<size_t>(shape.back());
  }
  TF_Tensor* x = TF_AllocateTensor(TF_FLOAT, shape.data(), int(shape.size()), bytes);
  if (std::fread(TF_TensorData(x), 1, bytes, stdin) != bytes) {
    throw std::runtime_error("the input is shorter than its shape");
  }
  TF_Tensor* y = nullptr;
  TF_SessionRun(session, nullptr, &input, &x, 1, &output, &y, 1, nullptr, 0, nullptr, status);
  check("run");
  if (TF_TensorType(y) != TF_FLOAT) throw std::runtime_error("the output is not float32");
  const size_t size = TF_TensorByteSize(y);
  if (std::fwrite(TF_TensorData(y), 1, size, stdout) != size || std::fflush(stdout) != 0) {
    throw std::runtime_error("the output cannot be written");
  }
  TF_DeleteTensor(x);
  TF_DeleteTensor(y);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  return 0;
}

int main(int count, char** arguments) {
  if (count < 6) {
    std::fputs("usage: run_saved_model LIBRARY FOLDER INPUT OUTPUT SIZE ...\n", stderr);
    return 2;
  }
  try {
    return run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
