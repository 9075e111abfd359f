#include "core/device.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "core/error.h"

namespace lampas {

namespace {
constexpr std::string_view kNames[] = {"cpu", "cuda", "meta", "mps", "xpu"};
}

void Device::check_there(bool moving) const {
  const ErrorKind kind = type != DeviceType::MPS ? ErrorKind::Assertion
                         : moving                ? ErrorKind::Runtime
                                                 : ErrorKind::NotImplemented;
  if (!is_cpu() && !is_meta())
    fail(kind, "lampas has no ", type == DeviceType::CUDA ? "CUDA" : name_of(*this),
         " device on this machine: is_available() is False. Use device='cpu'");
}

std::string name_of(Device d) {
  std::string base(kNames[int(d.type)]);
  return d.index < 0 ? base : base + ":" + std::to_string(int(d.index));
}

Device parse_device(const std::string& s) {
  size_t colon = s.find(':');
  std::string base = s.substr(0, colon);
  const auto known = std::ranges::find(kNames, base);
  CHECK(known != std::end(kNames),
        "Expected one of cpu, cuda, meta, mps, xpu device type at start of device string: ", s);
  Device d;
  d.type = DeviceType(known - std::begin(kNames));
  if (colon != std::string::npos) {
    std::string digits = s.substr(colon + 1);
    CHECK(!digits.empty() && digits.size() < 4 && digits.find_first_not_of("0123456789") == std::string::npos &&
              std::stoi(digits) < 128,
          "Invalid device string: '", s, "': after the colon comes a device number");
    d.index = int8_t(std::stoi(digits));
  }
  return d;
}

}  // namespace lampas
