// The shared library from Java 22 or later, with nothing but what its headers
// say: `java --enable-native-access=ALL-UNNAMED Foreign.java libmapped.so FILE`.
// A slice is a struct of three words that goes by value. The handler of SIGBUS
// stands before Java's own, which goes on serving Java's own mappings.
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;

class Foreign {
    interface Action {
        Object run() throws Throwable;
    }

    // Prints the result, or what was thrown.
    static void show(Action action) {
        try {
            System.out.println(action.run());
        } catch (Throwable thrown) {
            System.out.println(thrown.getMessage());
        }
    }

    public static void main(String[] arguments) throws Throwable {
        try (Arena arena = Arena.ofConfined();
             RandomAccessFile file = new RandomAccessFile(arguments[1], "rw")) {
            Mapped mapped = new Mapped(arena, Path.of(arguments[0]));
            MemorySegment region = mapped.openRegion(arguments[1], "r");
            MemorySegment slice = mapped.slice(region);
            MappedByteBuffer own = file.getChannel().map(
                MapMode.READ_ONLY, 0, file.length());
            show(() -> mapped.get(slice, 4));
            show(() -> mapped.get(slice, slice.get(JAVA_LONG, 16) - 3));
            file.setLength(0);
            show(() -> mapped.get(slice, 8192));
            show(() -> own.get(8192));
            mapped.check((int) mapped.close.invokeExact(region, mapped.error));
            show(() -> mapped.get(slice, 4));
            mapped.release.invokeExact(region);
        }
    }
}

class Mapped {
    // On 64-bit machines size_t is a long.
    static final StructLayout SLICE = MemoryLayout.structLayout(
        ADDRESS.withName("region"), JAVA_LONG.withName("offset"),
        JAVA_LONG.withName("length"), JAVA_LONG.withName("readonly"));
    static final StructLayout ERROR = MemoryLayout.structLayout(
        JAVA_INT.withName("status"), JAVA_INT.withName("os_error"),
        ADDRESS.withName("operation"), ADDRESS.withName("call"),
        JAVA_LONG.withName("offset"), JAVA_LONG.withName("length"),
        JAVA_LONG.withName("limit"),
        MemoryLayout.sequenceLayout(64, JAVA_BYTE).withName("path"));
    static final long MESSAGE_SIZE = 384;

    final Arena arena;
    final SymbolLookup library;
    final MethodHandle open, regionSlice, getU32, close, release, parse, message;
    final MemorySegment error;

    Mapped(Arena arena, Path path) {
        this.arena = arena;
        library = SymbolLookup.libraryLookup(path, arena);
        open = function("mapped_region_open", FunctionDescriptor.of(
            JAVA_INT, ADDRESS, JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
        close = function("mapped_region_close",
                         FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
        release = function("mapped_region_release",
                           FunctionDescriptor.ofVoid(ADDRESS));
        parse = function("mapped_mode_parse", FunctionDescriptor.of(
            JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
        message = function("mapped_error_message", FunctionDescriptor.of(
            JAVA_LONG, ADDRESS, ADDRESS, JAVA_LONG));
        // These two are inline functions in C.
        regionSlice = function("mapped_region_slice",
                               FunctionDescriptor.of(SLICE, ADDRESS));
        getU32 = function("mapped_get_u32le", FunctionDescriptor.of(
            JAVA_INT, SLICE, JAVA_LONG, ADDRESS, ADDRESS));
        error = arena.allocate(ERROR);
    }

    MethodHandle function(String name, FunctionDescriptor type) {
        return Linker.nativeLinker().downcallHandle(
            library.find(name).orElseThrow(), type);
    }

    void check(int status) throws Throwable {
        if (status == 0)
            return;
        MemorySegment text = arena.allocate(MESSAGE_SIZE);
        long length = (long) message.invokeExact(error, text, MESSAGE_SIZE);
        throw new RuntimeException(text.getString(0));
    }

    MemorySegment openRegion(String path, String mode) throws Throwable {
        MemorySegment number = arena.allocate(JAVA_INT);
        MemorySegment region = arena.allocate(ADDRESS);
        check((int) parse.invokeExact(arena.allocateFrom(mode),
                                      (long) mode.length(), number, error));
        check((int) open.invokeExact(arena.allocateFrom(path),
                                     number.get(JAVA_INT, 0),
                                     MemorySegment.NULL, region, error));
        return region.get(ADDRESS, 0);
    }

    MemorySegment slice(MemorySegment region) throws Throwable {
        return (MemorySegment) regionSlice.invokeExact(
            (SegmentAllocator) arena, region);
    }

    int get(MemorySegment slice, long offset) throws Throwable {
        MemorySegment value = arena.allocate(JAVA_INT);
        check((int) getU32.invokeExact(slice, offset, value, error));
        return value.get(JAVA_INT, 0);
    }
}
