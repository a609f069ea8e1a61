// Turns C++ exceptions into a status and a sentence.
#pragma once
#include <exception>
#include <string>

namespace lightbox {
std::string &last_error();

template <typename F> int guarded(F &&body) noexcept {
  try {
    body();
    return 0;
  } catch (const std::exception &error) {
    try {
      last_error() = error.what();
    } catch (...) {
    }
    return 1;
  } catch (...) {
    try {
      last_error() = "an exception of an unknown type";
    } catch (...) {
    }
    return 1;
  }
}
} // namespace lightbox
