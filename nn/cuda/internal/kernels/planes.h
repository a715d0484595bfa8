// Everything that is not a convolution: pools, averages, elementwise steps, softmax, and the ways
// from and to the caller's [N,C,H,W]. Sums are float32, each by one thread in one order.
#pragma once
#include "device.h"

constexpr int BLOCK = 128; // threads of a block of every kernel here

INLINE int element() { return blockX() * BLOCK + thread(); }

struct Pool {
  const store *x;
  store *y;
  int N, H, W, C, OH, OW, KH, KW, SH, SW, top, left;
  int ldx, ldy;
  int border; // an average's divisor is the whole window
  int none;
};

template <bool MAX> INLINE void pool(const Pool &p) {
  int groups = p.C / 8, i = element();
  if (i >= p.N * p.OH * p.OW * groups) return;
  int g = i % groups, at = i / groups, ow = at % p.OW, oh = at / p.OW % p.OH, n = at / p.OW / p.OH;
  int y0 = oh * p.SH - p.top, x0 = ow * p.SW - p.left;
  int y1 = y0 + p.KH, x1 = x0 + p.KW;
  if (y0 < 0) y0 = 0;
  if (x0 < 0) x0 = 0;
  if (y1 > p.H) y1 = p.H;
  if (x1 > p.W) x1 = p.W;
  float r[8];
  for (int l = 0; l < 8; l++) r[l] = MAX ? -__builtin_inff() : 0.f;
#pragma unroll 1
  for (int y = y0; y < y1; y++)
#pragma unroll 1
    for (int x = x0; x < x1; x++) {
      float v[8];
      get(v, p.x + ((long)(n * p.H + y) * p.W + x) * p.ldx + g * 8);
      for (int l = 0; l < 8; l++) r[l] = MAX ? larger(r[l], v[l]) : r[l] + v[l];
    }
  if (!MAX) {
    float area = p.border ? p.KH * p.KW : (y1 - y0) * (x1 - x0);
    for (int l = 0; l < 8; l++) r[l] /= area;
  }
  put(p.y + (long)at * p.ldy + g * 8, r);
}
extern "C" __global__ void THREADS(BLOCK) maxpool(Pool p) { pool<true>(p); }
extern "C" __global__ void THREADS(BLOCK) avgpool(Pool p) { pool<false>(p); }

// y = x * scale + shift by lane, or x where there is no scale, and then perhaps ReLU.
struct Affine {
  const store *x;
  const float *scale, *shift;
  store *y;
  int pixels, C, ldx, ldy, relu, none;
};
extern "C" __global__ void THREADS(BLOCK) affine(Affine p) {
  int groups = p.C / 8, i = element();
  if (i >= p.pixels * groups) return;
  int g = i % groups, at = i / groups;
  float v[8];
  get(v, p.x + (long)at * p.ldx + g * 8);
  for (int l = 0; l < 8; l++) {
    if (p.scale) v[l] = __builtin_fmaf(v[l], p.scale[g * 8 + l], p.shift[g * 8 + l]);
    if (p.relu) v[l] = relu(v[l]);
  }
  put(p.y + (long)at * p.ldy + g * 8, v);
}

// The mean of each lane; for moments, also those of the quarters, which share a middle row and
// column, and the standard deviation: 6 runs of C values, of which the mean is the first.
struct Mean {
  const store *x;
  float *y;
  int N, H, W, C, ldx, ldy, moments, none;
};
INLINE float sum(const Mean &p, const store *x, int top, int bottom, int left, int right) {
  float s = 0;
#pragma unroll 1
  for (int y = top; y < bottom; y++)
#pragma unroll 1
    for (int c = left; c < right; c++) s += widen(x[(long)(y * p.W + c) * p.ldx]);
  return s;
}
extern "C" __global__ void THREADS(BLOCK) mean(Mean p) {
  int i = element();
  if (i >= p.N * p.C) return;
  int c = i % p.C, n = i / p.C;
  const store *x = p.x + (long)n * p.H * p.W * p.ldx + c;
  float *y = p.y + (long)n * p.ldy + c;
  float all = sum(p, x, 0, p.H, 0, p.W) / (p.H * p.W);
  *y = all;
  if (!p.moments) return;
  int h = (p.H + 1) / 2, w = (p.W + 1) / 2;
#pragma unroll 1
  for (int q = 0; q < 4; q++) {
    int top = q / 2 * (p.H / 2), left = q % 2 * (p.W / 2);
    y[(1 + q) * p.C] = sum(p, x, top, top + h, left, left + w) / (h * w);
  }
  float spread = 0;
#pragma unroll 1
  for (int k = 0; k < p.H * p.W; k++) {
    float d = widen(x[(long)k * p.ldx]) - all;
    spread = __builtin_fmaf(d, d, spread);
  }
  float r;
  asm("sqrt.rn.f32 %0, %1;" : "=f"(r) : "f"(spread / (p.H * p.W)));
  y[5 * p.C] = r;
}

// [N,C,H,W] of float32, as the caller has it, to lanes; C need not be a multiple of 8.
struct Unpack {
  const float *x;
  store *y;
  int N, C, area, ldy;
};
extern "C" __global__ void THREADS(BLOCK) unpack(Unpack p) {
  int groups = (p.C + 7) / 8, i = element();
  if (i >= p.N * p.area * groups) return;
  int at = i % p.area, g = i / p.area % groups, n = i / p.area / groups;
  float v[8];
  for (int l = 0; l < 8; l++) {
    int c = g * 8 + l;
    v[l] = c < p.C ? p.x[((long)n * p.C + c) * p.area + at] : 0.f;
  }
  put(p.y + ((long)n * p.area + at) * p.ldy + g * 8, v);
}

// The same of bytes: what byte b of channel c stands for is levels[c][b].
struct Levels {
  const unsigned char *x;
  const float *levels;
  store *y;
  int N, C, area, ldy;
};
extern "C" __global__ void THREADS(BLOCK) levels(Levels p) {
  int groups = (p.C + 7) / 8, i = element();
  if (i >= p.N * p.area * groups) return;
  int at = i % p.area, g = i / p.area % groups, n = i / p.area / groups;
  float v[8];
  for (int l = 0; l < 8; l++) {
    int c = g * 8 + l;
    v[l] = c < p.C ? p.levels[c * 256 + p.x[((long)n * p.C + c) * p.area + at]] : 0.f;
  }
  put(p.y + ((long)n * p.area + at) * p.ldy + g * 8, v);
}

// Lanes to [N,C,H,W] of float32: channel c is lane lanes[c].
struct Pack {
  const store *x;
  const int *lanes;
  float *y;
  int N, C, area, ldx;
};
extern "C" __global__ void THREADS(BLOCK) pack(Pack p) {
  int i = element();
  if (i >= p.N * p.C * p.area) return;
  int at = i % p.area, c = i / p.area % p.C, n = i / p.area / p.C;
  p.y[i] = widen(p.x[((long)n * p.area + at) * p.ldx + p.lanes[c]]);
}

#ifdef FLOAT32
// One warp an image. A lane of x is a class where used says so, and 0 in y where it does not.
struct Softmax {
  const float *x;
  const int *used;
  float *y;
  int N, C, ldx, ldy;
};
extern "C" __global__ void THREADS(32) softmax(Softmax p) {
  const float *x = p.x + (long)blockX() * p.ldx;
  float *y = p.y + (long)blockX() * p.ldy;
  float top = -__builtin_inff();
#pragma unroll 1
  for (int c = thread(); c < p.C; c += 32)
    if (p.used[c]) top = larger(top, x[c]);
#pragma unroll
  for (int d = 16; d > 0; d /= 2) top = larger(top, across(top, d));
  float total = 0;
#pragma unroll 1
  for (int c = thread(); c < p.C; c += 32) {
    float e, v = (x[c] - top) * 1.44269504f;
    asm("ex2.approx.f32 %0, %1;" : "=f"(e) : "f"(v));
    if (!p.used[c]) e = 0;
    y[c] = e;
    total += e;
  }
#pragma unroll
  for (int d = 16; d > 0; d /= 2) total += across(total, d);
#pragma unroll 1
  for (int c = thread(); c < p.C; c += 32) y[c] /= total;
}
#endif
