// Where a tensor's data lies.
#pragma once

#include <cstdint>
#include <string>

namespace lampas {

// All but CPU and Meta can be named, and not be had.
enum class DeviceType : uint8_t { CPU, CUDA, Meta, MPS, XPU };

struct Device {
  DeviceType type = DeviceType::CPU;
  int8_t index = -1;  // -1: the current one
  bool operator==(const Device&) const = default;
  bool is_cpu() const { return type == DeviceType::CPU; }
  bool is_meta() const { return type == DeviceType::Meta; }
  // An error that says so where there is no such device.
  void check_there(bool moving = false) const;
};

std::string name_of(Device d);
// "cpu", "meta", "cuda:1"; RuntimeError for anything else.
Device parse_device(const std::string& text);

}  // namespace lampas
