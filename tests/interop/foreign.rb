# The shared library from another language, with nothing but what its headers
# say: `ruby foreign.rb libmapped.so FILE`. A slice is a struct of four words
# that goes by value. The gem ffi can do that; fiddle can't.
require "ffi"

module Mapped
  extend FFI::Library
  ffi_lib ARGV[0]

  class Slice < FFI::Struct
    layout :region, :pointer, :offset, :size_t, :length, :size_t,
           :readonly, :size_t
  end

  class Error < FFI::Struct
    layout :status, :int, :os_error, :int, :operation, :string, :call, :string,
           :offset, :uint64, :length, :uint64, :limit, :uint64, :path, [:char, 64]

    def message
      text = FFI::MemoryPointer.new(:char, 384)
      Mapped.mapped_error_message(self, text, text.size)
      text.read_string
    end
  end

  attach_function :mapped_status_name, [:int], :string
  attach_function :mapped_error_message, [Error.by_ref, :pointer, :size_t], :size_t
  attach_function :mapped_mode_parse,
                  [:string, :size_t, :pointer, Error.by_ref], :int
  attach_function :mapped_region_open,
                  [:string, :int, :pointer, :pointer, Error.by_ref], :int
  attach_function :mapped_region_release, [:pointer], :void
  attach_function :mapped_region_close, [:pointer, Error.by_ref], :int
  # These two are inline functions in C.
  attach_function :mapped_region_slice, [:pointer], Slice.by_value
  attach_function :mapped_get_u32le,
                  [Slice.by_value, :size_t, :pointer, Error.by_ref], :int
end

def open_region(path)
  error = Mapped::Error.new
  mode = FFI::MemoryPointer.new(:int)
  region = FFI::MemoryPointer.new(:pointer)
  status = Mapped.mapped_mode_parse("r", 1, mode, error)
  if status.zero?
    status = Mapped.mapped_region_open(path, mode.read_int, nil, region, error)
  end
  raise error.message unless status.zero?
  region.read_pointer
end

# Prints the number at an offset, or the error.
def show(slice, offset)
  error = Mapped::Error.new
  value = FFI::MemoryPointer.new(:uint32)
  status = Mapped.mapped_get_u32le(slice, offset, value, error)
  puts status.zero? ? value.read_uint32 : Mapped.mapped_status_name(status)
end

path = ARGV[1]
region = open_region(path)
slice = Mapped.mapped_region_slice(region)
show(slice, 4)
show(slice, slice[:length] - 3)
File.truncate(path, 0)
show(slice, 8192)
Mapped.mapped_region_close(region, Mapped::Error.new)
show(slice, 4)
Mapped.mapped_region_release(region)
