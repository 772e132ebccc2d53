// The extension keras_slayer.events._decoders: event files to arrays, block by block.
//
// A decoder object is the state of one stream. `decode` reads the words of a block once to see how
// many events they have, and once to fill arrays of that size; Python's lock is free meanwhile.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>

#include "dat.h"
#include "event_stream.h"
#include "evt2.h"
#include "evt21.h"
#include "evt3.h"

namespace py = pybind11;

namespace keras_slayer {
namespace {

struct Bytes {
  explicit Bytes(const py::buffer& buffer, size_t word_bytes) : info(buffer.request()) {
    if (info.ndim != 1 || info.itemsize != 1 || (info.size > 0 && info.strides[0] != 1)) {
      throw std::invalid_argument("data must be contiguous bytes");
    }
    if (info.size % word_bytes != 0) {
      throw std::invalid_argument("data must be whole words of " + std::to_string(word_bytes) +
                                  " bytes. Received: " + std::to_string(info.size) + " bytes");
    }
    words = info.size / word_bytes;
  }
  const uint8_t* data() const { return static_cast<const uint8_t*>(info.ptr); }

  py::buffer_info info;
  size_t words;
};

// The first `size` values; without a copy, as no more than a few were left out.
template <typename T>
py::object head(const py::array_t<T>& array, size_t size) {
  if (static_cast<size_t>(array.size()) == size) return array;
  return array[py::slice(0, static_cast<py::ssize_t>(size), 1)];
}

template <typename Decoder>
py::tuple decode(Decoder& decoder, const py::buffer& buffer) {
  const Bytes bytes(buffer, Decoder::kWordBytes);
  size_t bound;
  {
    py::gil_scoped_release release;
    bound = decoder.bound(bytes.data(), bytes.words);
  }
  py::array_t<uint16_t> x(bound), y(bound);
  py::array_t<int64_t> t(bound);
  py::array_t<uint8_t> polarity(bound);
  Arrays arrays{x.mutable_data(), y.mutable_data(), t.mutable_data(), polarity.mutable_data()};
  Outcome problem;
  {
    py::gil_scoped_release release;
    Decoder local = decoder;
    Arrays sink = arrays;
    problem = local.decode(bytes.data(), bytes.words, sink);
    decoder = local;
    arrays = sink;
  }
  py::object what = py::none();
  if (problem) what = py::make_tuple(problem->byte, problem->text);
  return py::make_tuple(head(x, arrays.size), head(y, arrays.size), head(t, arrays.size),
                        head(polarity, arrays.size), what);
}

// The byte, within the block, at which the word of event `index` begins. `decoder` is a copy.
template <typename Decoder>
int64_t find(Decoder decoder, const py::buffer& buffer, size_t index) {
  const Bytes bytes(buffer, Decoder::kWordBytes);
  Finder finder{index};
  decoder.decode(bytes.data(), bytes.words, finder);
  if (finder.size <= index) throw py::index_error("the block has no such event");
  return finder.byte;
}

template <typename Decoder>
py::class_<Decoder> bind(py::module_& module, const char* name) {
  return py::class_<Decoder>(module, name)
      .def_property_readonly_static("word_bytes",
                                    [](const py::object&) { return Decoder::kWordBytes; })
      .def_property_readonly("early", [](const Decoder& d) { return d.left_out.early; })
      .def_property_readonly("unknown", [](const Decoder& d) { return d.left_out.unknown; })
      .def("__copy__", [](const Decoder& d) { return d; })
      .def("decode", &decode<Decoder>, py::arg("data"))
      .def("find", &find<Decoder>, py::arg("data"), py::arg("index"));
}

template <typename Decoder>
void bind_with_words(py::module_& module, const char* name) {
  bind<Decoder>(module, name)
      .def(py::init([](bool skip_unknown) {
             Decoder decoder;
             decoder.skip_unknown = skip_unknown;
             return decoder;
           }),
           py::arg("skip_unknown") = false);
}

}  // namespace
}  // namespace keras_slayer

PYBIND11_MODULE(_decoders, module) {
  using namespace keras_slayer;
  bind_with_words<Evt2>(module, "Evt2");
  bind_with_words<Evt21<false>>(module, "Evt21");
  bind_with_words<Evt21<true>>(module, "Evt21Legacy");
  bind_with_words<Evt3>(module, "Evt3");
  bind_with_words<Dat>(module, "Dat");
  bind<EventStream>(module, "EventStream")
      .def(py::init([](uint32_t width, uint32_t height) {
             EventStream decoder;
             decoder.width = width;
             decoder.height = height;
             return decoder;
           }),
           py::arg("width"), py::arg("height"))
      .def_property_readonly("begun_bytes", [](const EventStream& d) { return d.begun_bytes; });
}
