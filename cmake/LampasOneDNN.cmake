# oneDNN::oneDNN (>= 3.2), and LAMPAS_BUNDLED_FILES: one stripped copy of its library with its licence, for the package.
#
# Searched in this order, first match wins:
#   1. DNNL_ROOT (CMake variable or environment variable)
#   2. the Python environment that builds: the wheels named in pyproject.toml, also inside an isolated build
#   3. the active conda environment
#   4. the system
set(LAMPAS_ONEDNN_MINIMUM 3.2)

execute_process(COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/find_onednn.py
                OUTPUT_VARIABLE python_roots OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

# Sets <out> to the version of the oneDNN with these headers, or to nothing.
function(lampas_onednn_version include_dir out)
  set(${out} "" PARENT_SCOPE)
  set(header ${include_dir}/oneapi/dnnl/dnnl_version.h)
  if(EXISTS ${header})
    file(READ ${header} text)
    foreach(part MAJOR MINOR PATCH)
      if(text MATCHES "DNNL_VERSION_${part} +([0-9]+)")
        set(${part} ${CMAKE_MATCH_1})
      endif()
    endforeach()
    set(${out} "${MAJOR}.${MINOR}.${PATCH}" PARENT_SCOPE)
  endif()
endfunction()

function(lampas_find_onednn)
  set(seen)
  if(DNNL_ROOT)
    set(candidates ${DNNL_ROOT})
  else()
    set(candidates ${python_roots} $ENV{CONDA_PREFIX} system)
  endif()
  foreach(root IN LISTS candidates)
    unset(include_dir)
    unset(library)
    if(root STREQUAL "system")
      find_path(include_dir oneapi/dnnl/dnnl.hpp NO_CACHE)
      find_library(library NAMES dnnl libdnnl.so.3 NO_CACHE)
    else()
      find_path(include_dir oneapi/dnnl/dnnl.hpp PATHS ${root} PATH_SUFFIXES include NO_DEFAULT_PATH NO_CACHE)
      find_library(library NAMES dnnl libdnnl.so.3 PATHS ${root} PATH_SUFFIXES lib lib64 NO_DEFAULT_PATH NO_CACHE)
    endif()
    if(NOT include_dir OR NOT library)
      list(APPEND seen "${root}: not there")
      continue()
    endif()
    lampas_onednn_version(${include_dir} version)
    if(version VERSION_LESS LAMPAS_ONEDNN_MINIMUM)
      list(APPEND seen "${root}: version '${version}' is too old")
      continue()
    endif()
    file(READ ${include_dir}/oneapi/dnnl/dnnl_config.h config)
    if(NOT config MATCHES "DNNL_CPU_THREADING_RUNTIME +DNNL_RUNTIME_OMP")
      list(APPEND seen "${root}: ${version} is not the OpenMP build")
      continue()
    endif()
    message(STATUS "lampas: oneDNN ${version} from ${library}")
    file(REAL_PATH ${include_dir} include_dir)
    set(LAMPAS_ONEDNN_INCLUDE ${include_dir} PARENT_SCOPE)
    set(LAMPAS_ONEDNN_LIBRARY ${library} PARENT_SCOPE)
    return()
  endforeach()
  list(JOIN seen "\n  " seen)
  message(FATAL_ERROR "lampas needs oneDNN >= ${LAMPAS_ONEDNN_MINIMUM} built for OpenMP. Looked at:\n  ${seen}\n"
    "Install it with one of\n"
    "  pip install onednn-devel-cpu-gomp onednn-cpu-gomp\n"
    "  conda install -c conda-forge \"onednn>=3.2=omp_*\"\n"
    "or name the folder that holds its include/ and lib/ in DNNL_ROOT.")
endfunction()
lampas_find_onednn()

file(REAL_PATH ${LAMPAS_ONEDNN_LIBRARY} real_library)
set(bundle ${CMAKE_BINARY_DIR}/bundle)
file(MAKE_DIRECTORY ${bundle})
set(bundled_library ${bundle}/libdnnl.so.3)
# Stripping takes it from 55 to 44 MB. Linking against the copy needs no development symlink beside the original.
set(strip_command ${CMAKE_COMMAND} -E true)
if(CMAKE_STRIP)
  set(strip_command ${CMAKE_STRIP} --strip-unneeded ${bundled_library})
endif()
add_custom_command(OUTPUT ${bundled_library}
  COMMAND ${CMAKE_COMMAND} -E copy ${real_library} ${bundled_library}
  COMMAND ${strip_command}
  DEPENDS ${real_library} COMMENT "Copying libdnnl.so.3" VERBATIM)
add_custom_target(onednn_copy DEPENDS ${bundled_library})

add_library(oneDNN::oneDNN SHARED IMPORTED GLOBAL)
set_target_properties(oneDNN::oneDNN PROPERTIES IMPORTED_LOCATION ${bundled_library} IMPORTED_SONAME libdnnl.so.3)
target_include_directories(oneDNN::oneDNN SYSTEM INTERFACE ${LAMPAS_ONEDNN_INCLUDE})
add_dependencies(oneDNN::oneDNN onednn_copy)

set(LAMPAS_BUNDLED_FILES ${bundled_library})
cmake_path(GET LAMPAS_ONEDNN_INCLUDE PARENT_PATH onednn_root)
foreach(name LICENSE THIRD-PARTY-PROGRAMS)
  foreach(folder share/doc/onednn share/doc/dnnl share/doc/libdnnl3)
    if(EXISTS ${onednn_root}/${folder}/${name})
      configure_file(${onednn_root}/${folder}/${name} ${bundle}/oneDNN-${name} COPYONLY)
      list(APPEND LAMPAS_BUNDLED_FILES ${bundle}/oneDNN-${name})
      break()
    endif()
  endforeach()
endforeach()
