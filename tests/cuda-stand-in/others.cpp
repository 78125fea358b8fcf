//! curand, cublasLt and nvrtc: handles are given, since candle makes them at start; everything else is
//! refused.
extern "C" {
int curandCreateGenerator(void** out, int) {
  static char generator;
  *out = &generator;
  return 0;
}
int curandDestroyGenerator(void*) { return 0; }
int curandSetPseudoRandomGeneratorSeed(void*, unsigned long long) { return 0; }
int curandSetStream(void*, void*) { return 0; }
int cublasLtCreate(void** out) {
  static char handle;
  *out = &handle;
  return 0;
}
int cublasLtDestroy(void*) { return 0; }
}
