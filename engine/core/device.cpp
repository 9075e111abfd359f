#include "core/device.h"

#include "core/error.h"

namespace lampas {

std::string name_of(Device d) {
  std::string base = d.type == DeviceType::CPU ? "cpu" : d.type == DeviceType::CUDA ? "cuda" : "meta";
  return d.index < 0 ? base : base + ":" + std::to_string(int(d.index));
}

Device parse_device(const std::string& s) {
  size_t colon = s.find(':');
  std::string base = s.substr(0, colon);
  Device d;
  if (base == "cpu")
    d.type = DeviceType::CPU;
  else if (base == "cuda")
    d.type = DeviceType::CUDA;
  else if (base == "meta")
    d.type = DeviceType::Meta;
  else
    fail("Expected one of cpu, cuda, meta device type at start of device string: ", s);
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
