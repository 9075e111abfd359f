# lampas_flags: the compiler flags of every file of ours, among them the instruction set chosen by LAMPAS_ARCH.
# No -ffast-math: NaN, infinities and signed zeros behave as IEEE says. Contraction into fused multiply-adds is fine, and
# so is not setting errno or floating-point flags that nobody reads.
include(CheckCXXSourceCompiles)

add_library(lampas_flags INTERFACE)
set(flags -fno-math-errno -fno-trapping-math -ffp-contract=fast -Wall -Wextra -Wno-unused-parameter)

if(LAMPAS_ARCH STREQUAL "native" OR LAMPAS_ARCH MATCHES "^x86-64-v[34]$")
  list(APPEND flags -march=${LAMPAS_ARCH})
else()
  message(FATAL_ERROR "LAMPAS_ARCH is '${LAMPAS_ARCH}'; it must be native, x86-64-v3 or x86-64-v4")
endif()

set(CMAKE_REQUIRED_FLAGS -march=${LAMPAS_ARCH})
# The result depends on LAMPAS_ARCH, so its cache entry carries the name.
string(MAKE_C_IDENTIFIER "LAMPAS_HAS_AVX512_${LAMPAS_ARCH}" has_avx512)
check_cxx_source_compiles("
#ifndef __AVX512F__
#error
#endif
int main() {}" ${has_avx512})
unset(CMAKE_REQUIRED_FLAGS)
if(${has_avx512})
  list(APPEND flags -mprefer-vector-width=512)
endif()

if(LAMPAS_SANITIZE)
  set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=undefined)
  # -O1 comes after the build type's -O3 and wins: instrumented code at -O3 takes minutes longer to compile.
  list(APPEND flags ${sanitize} -O1 -g1 -fno-omit-frame-pointer)
  target_link_options(lampas_flags INTERFACE ${sanitize})
endif()

target_compile_options(lampas_flags INTERFACE ${flags})
target_link_libraries(lampas_flags INTERFACE m)
# glibc's vector mathematics (x86-64, glibc >= 2.22)
find_library(LAMPAS_MVEC mvec)
if(LAMPAS_MVEC)
  target_link_libraries(lampas_flags INTERFACE mvec)
endif()
message(STATUS "lampas: LAMPAS_ARCH=${LAMPAS_ARCH}, AVX-512 ${${has_avx512}}, sanitizers ${LAMPAS_SANITIZE}")
