//! libcuda.so.1's graphs: recorded from one stream, instantiated, launched. See recording.h.
#include "recording.h"

#include <vector>

#include "driver.h"

using namespace stand_in;

namespace {
using Graph = std::vector<recording::Work>;
Graph* recorded = nullptr;
const void* recorded_stream = nullptr;
}  // namespace

namespace stand_in::recording {
bool on(const void* stream) { return recorded && (!stream || stream == recorded_stream); }
void keep(Work work) { recorded->push_back(std::move(work)); }
}  // namespace stand_in::recording

extern "C" bool stand_in_keep(const void* stream, const recording::Work* work) {
  std::lock_guard<std::recursive_mutex> hold(lock());
  if (!recording::on(stream)) return false;
  recording::keep(*work);
  return true;
}

CUresult cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode) {
  ENTER;
  if (!stream) return fail(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the default stream cannot be recorded");
  if (recorded) return fail(CUDA_ERROR_ILLEGAL_STATE, "a stream is being recorded already");
  recorded = new Graph;
  recorded_stream = stream;
  return poisoned;
}
CUresult cuStreamEndCapture(CUstream stream, CUgraph* out) {
  ENTER;
  if (!recording::on(stream)) return fail(CUDA_ERROR_ILLEGAL_STATE, "this stream is not being recorded");
  *out = reinterpret_cast<CUgraph>(recorded);
  recorded = nullptr;
  return poisoned;
}
CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus* out) {
  ENTER;
  *out = recording::on(stream) ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}
CUresult cuGraphInstantiate(CUgraphExec* out, CUgraph graph, unsigned long long) {
  ENTER;
  *out = reinterpret_cast<CUgraphExec>(new Graph(*reinterpret_cast<Graph*>(graph)));
  return CUDA_SUCCESS;
}
CUresult cuGraphLaunch(CUgraphExec graph, CUstream) {
  ENTER;
  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  for (const auto& work : *reinterpret_cast<Graph*>(graph)) {
    // a fault poisons the context; what a product refuses ends the graph
    if (poisoned) return poisoned;
    if (work()) return CUDA_ERROR_LAUNCH_FAILED;
  }
  return CUDA_SUCCESS;
}
CUresult cuGraphExecDestroy(CUgraphExec graph) {
  ENTER;
  delete reinterpret_cast<Graph*>(graph);
  return CUDA_SUCCESS;
}
CUresult cuGraphDestroy(CUgraph graph) {
  ENTER;
  delete reinterpret_cast<Graph*>(graph);
  return CUDA_SUCCESS;
}
