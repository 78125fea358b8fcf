//! A stream that is recorded: what is queued meanwhile is kept, and done at each launch of the graph made of it.
#pragma once

#include <functional>

namespace stand_in::recording {
using Work = std::function<int()>;
/// Whether this stream is being recorded; null: whether any is.
bool on(const void* stream = nullptr);
void keep(Work work);
}  // namespace stand_in::recording

/// For the other libraries: keeps the work, or returns false because the stream is not being recorded.
extern "C" bool stand_in_keep(const void* stream, const stand_in::recording::Work* work);
