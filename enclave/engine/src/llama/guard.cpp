// Calls work(data), and turns what llama.cpp throws meanwhile into a status: an exception must not reach Rust.
//
// A failed assertion of ggml is thrown as well when it fails on the thread of a guarded call, so that it ends the call
// instead of the process. It still ends the process on other threads, in destructors, and within an OpenMP region, where
// several threads compute a graph: GCC's C code lets an exception leave the region, but the other threads would go on
// computing in memory that is freed then.

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>

// As llama.h and ggml.h declare them; the crate that builds llama.cpp does not say where its headers are.
extern "C" {
typedef void (*abort_callback)(const char * message);
typedef void (*log_callback)(int level, const char * text, void * data);
abort_callback ggml_set_abort_callback(abort_callback callback);
void llama_log_set(log_callback callback, void * data);
int omp_get_level(void); // 0 outside of every OpenMP region
}

namespace {

constexpr int LEVEL_ERROR = 4; // GGML_LOG_LEVEL_ERROR

// The guarded call of this thread: where its first complaint goes. Null outside of guarded calls.
struct complaint {
    char * text;
    std::size_t room;
};
thread_local complaint * current = nullptr;

void note(const char * text) {
    if (current != nullptr && current->room > 0 && current->text[0] == '\0') {
        std::strncpy(current->text, text, current->room - 1);
        current->text[current->room - 1] = '\0';
    }
}

void on_log(int level, const char * text, void *) {
    if (level == LEVEL_ERROR) {
        note(text);
    }
}

void on_abort(const char * message) {
    if (current != nullptr && omp_get_level() == 0) {
        throw std::runtime_error(message);
    }
    std::fprintf(stderr, "%s\n", message);
}

} // namespace

// Sends llama.cpp's log and its failed assertions here, for the whole process.
extern "C" void quoth_guard_install() {
    llama_log_set(on_log, nullptr);
    ggml_set_abort_callback(on_abort);
}

// Returns 0, or 1 when something was thrown. The first error that was logged or thrown is in text, zero-terminated.
extern "C" int quoth_guard(void (*work)(void *), void * data, char * text, std::size_t room) {
    complaint own = { text, room };
    complaint * outer = current;
    current = &own;
    int thrown = 1;
    try {
        work(data);
        thrown = 0;
    } catch (const std::exception & error) {
        note(error.what());
    } catch (...) {
        note("an unknown exception");
    }
    current = outer;
    return thrown;
}
