// What the kernels need of CUDA C++ without NVIDIA's headers, and the one type that they are built
// for: exactly one of FLOAT32, TF32, FLOAT16 and BFLOAT16 is defined.
//
// Layout: images are [N,H,W,lanes], lanes a multiple of 8, so that 8 lanes of a pixel are read and
// written together and every piece of 16 bytes is aligned. A lane that holds no channel is zero.
// Vectors are [N,lanes] of float32 in every precision.
#pragma once

#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define THREADS(n) __attribute__((launch_bounds(n)))
#define INLINE static __device__ inline __attribute__((always_inline))

typedef unsigned short u16;
typedef unsigned u32;
typedef unsigned long long u64;
typedef u32 u32x4 __attribute__((ext_vector_type(4)));
typedef float f32x4 __attribute__((ext_vector_type(4)));

INLINE int thread() { return __nvvm_read_ptx_sreg_tid_x(); }
INLINE int blockX() { return __nvvm_read_ptx_sreg_ctaid_x(); }
INLINE int blockY() { return __nvvm_read_ptx_sreg_ctaid_y(); }

// shared is an address in the window of shared memory.
INLINE u32 shared(const void *p) {
  return (u32)(u64)(__attribute__((address_space(3))) const void *)p;
}

// A NaN stays one in both.
INLINE float relu(float v) { return v < 0.f ? 0.f : v; }
INLINE float larger(float a, float b) {
  float r;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
}

// across is a value of the thread of the warp that is so far away.
INLINE int across(int v, int distance) { return __nvvm_shfl_sync_bfly_i32(0xffffffffu, v, distance, 31); }
INLINE float across(float v, int distance) {
  return __builtin_bit_cast(float, across(__builtin_bit_cast(int, v), distance));
}

INLINE u32 bits(float v) { return __builtin_bit_cast(u32, v); }

// load4 is one load of 16 bytes: the compiler makes four of it where it halves the numbers.
INLINE void load4(float *v, const void *p) {
  asm("ld.global.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(v[0]), "=f"(v[1]), "=f"(v[2]), "=f"(v[3])
      : "l"((__attribute__((address_space(1))) const void *)p));
}

// Storage: store is an element, pair packs two of them, and get and put move 8 lanes.
#if defined(FLOAT32) || defined(TF32)
typedef float store;
INLINE float widen(store v) { return v; }
INLINE void get(float *v, const store *p) {
  load4(v, p);
  load4(v + 4, p + 4);
}
INLINE void put(store *p, const float *v) {
  ((f32x4 *)p)[0] = (f32x4){v[0], v[1], v[2], v[3]};
  ((f32x4 *)p)[1] = (f32x4){v[4], v[5], v[6], v[7]};
}
INLINE void putPair(store *p, float a, float b) {
  typedef float f32x2 __attribute__((ext_vector_type(2)));
  *(f32x2 *)p = (f32x2){a, b};
}
#else
typedef u16 store;
#ifdef FLOAT16
INLINE float widen(store v) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(v));
  return f;
}
INLINE u32 pair(float a, float b) {
  u32 r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(b), "f"(a));
  return r;
}
#else
INLINE float widen(store v) { return __builtin_bit_cast(float, (u32)v << 16); }
INLINE u32 pair(float a, float b) {
  u32 r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(b), "f"(a));
  return r;
}
#endif
INLINE void get(float *v, const store *p) {
  float a[4];
  load4(a, p);
  for (int i = 0; i < 4; i++) v[2 * i] = widen((u16)bits(a[i])), v[2 * i + 1] = widen((u16)(bits(a[i]) >> 16));
}
INLINE void put(store *p, const float *v) {
  *(u32x4 *)p = (u32x4){pair(v[0], v[1]), pair(v[2], v[3]), pair(v[4], v[5]), pair(v[6], v[7])};
}
INLINE void putPair(store *p, float a, float b) { *(u32 *)p = pair(a, b); }
#endif
