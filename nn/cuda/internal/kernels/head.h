// What solving for a head takes beside its logits, which are a convolution of one pixel: the softmax
// with the cross entropy's gradient by the logits, sums of columns, and the gradient by the weights,
// a product of matrices whose sums run over the rows. Exact float32 throughout, without a function
// of the processor's that is approximate, so that every GPU computes the same bits.
#pragma once
#include "conv.h"

// exponential of v <= 0, off by a unit in the last place or two.
INLINE float exponential(float v) {
  if (v < -87.f) return v != v ? v : 0.f;
  const float big = 12582912.f; // 1.5 * 2^23: added and taken off, it rounds to a whole number
  float t = __builtin_fmaf(v, 1.44269504f, big), n = t - big;
  float r = __builtin_fmaf(n, -0.693145752f, v);
  r = __builtin_fmaf(n, -1.42860677e-6f, r);
  float e = __builtin_fmaf(r, 1.f / 5040, 1.f / 720);
  e = __builtin_fmaf(e, r, 1.f / 120);
  e = __builtin_fmaf(e, r, 1.f / 24);
  e = __builtin_fmaf(e, r, 1.f / 6);
  e = __builtin_fmaf(e, r, .5f);
  e = __builtin_fmaf(e, r, 1.f);
  e = __builtin_fmaf(e, r, 1.f);
  return __builtin_bit_cast(float, bits(e) + (bits(t) << 23)); // e * 2^n
}

// logarithm of 1 + v, v >= 0 and finite, off by a few units in the last place however small v is.
INLINE float logarithm1(float v) {
  float s = 1.f + v;
  float lost = s > 2.f ? 1.f - (s - v) : v - (s - 1.f);
  u32 b = bits(s) - 0x3f3504f3u; // so that the mantissa is from sqrt(1/2) to sqrt(2)
  int e = (int)b >> 23;
  float f = __builtin_bit_cast(float, (b & 0x007fffffu) + 0x3f3504f3u) - 1.f;
  float q = f / (2.f + f), z = q * q;
  float p = __builtin_fmaf(z, 2.f / 9, 2.f / 7);
  p = __builtin_fmaf(p, z, 2.f / 5);
  p = __builtin_fmaf(p, z, 2.f / 3);
  p = __builtin_fmaf(p * z, q, 2.f * q);
  return __builtin_fmaf((float)e, 0.693147181f, p + lost / s);
}

// total is the sum over the warp, the same in all its threads.
INLINE float total(float v) {
#pragma unroll
  for (int d = 16; d > 0; d /= 2) v += across(v, d);
  return v;
}

// Residual makes logits u [N,ld] without bias what is to be summed over the rows, d [N,ld]: weight
// times probability minus target, and in column K the row's weighted cross entropy; or, for curvature,
// the probabilities times the root of the weight. Columns behind are 0. One warp a row.
//
// As in the CPU's float64, the largest exponential, 1, stays out of the sum of the others, and the
// label's own difference is minus the sum of the others.
struct Residual {
  const float *u, *bias; // bias [K]
  const int *label;      // [N]
  const float *weight;   // [N]
  float *d;
  int N, K, ld, curvature;
  float on, off; // targets of the label and of all others
};
extern "C" __global__ void THREADS(128) residual(Residual p) {
  int row = blockX() * 4 + thread() / 32, lane = thread() & 31;
  if (row >= p.N) return;
  const float *u = p.u + (long)row * p.ld;
  float *d = p.d + (long)row * p.ld;
  float top = -__builtin_inff();
  int at = 0x7fffffff;
#pragma unroll 1
  for (int k = lane; k < p.K; k += 32) {
    float v = u[k] + p.bias[k];
    d[k] = v;
    if (v > top) top = v, at = k;
  }
#pragma unroll
  for (int s = 16; s > 0; s /= 2) {
    float v = across(top, s);
    int k = across(at, s);
    if (v > top || (v == top && k < at)) top = v, at = k;
  }
  int y = p.label[row];
  float others = 0, apart = 0;
#pragma unroll 1
  for (int k = lane; k < p.K; k += 32) {
    float v = d[k] - top, e = exponential(v);
    float target = k == y ? p.on : p.off;
    if (target != 0.f) apart = __builtin_fmaf(target, v, apart);
    if (k == at) e = 1.f;
    else others += e;
    d[k] = e;
  }
  others = total(others), apart = total(apart);
  float weight = p.weight[row], part = weight / (1.f + others), off = weight * p.off, rest = 0;
  if (p.curvature) {
    asm("sqrt.rn.f32 %0, %1;" : "=f"(part) : "f"(weight));
    part /= 1.f + others, off = 0;
  }
#pragma unroll 1
  for (int k = lane; k < p.K; k += 32) {
    float v = __builtin_fmaf(d[k], part, -off);
    d[k] = v;
    if (k != y) rest += v;
  }
  rest = total(rest);
  if (!p.curvature && y % 32 == lane) d[y] = -rest;
  float loss = p.curvature ? 0.f : weight * (logarithm1(others) - apart);
  for (int k = p.K + lane; k < p.ld; k += 32) d[k] = k == p.K ? loss : 0.f;
}

// add adds v to a sum of two numbers, of which the second is what the first lost.
INLINE void add(float &sum, float &lost, float v) {
  float s = sum + v, b = s - sum;
  lost += (sum - (s - b)) + (v - b);
  sum = s;
}

// Columns sums the columns of d [N,ld] over chunks of so many rows: y [chunks,2,ld], sums and what
// they lost. One thread a sum.
struct Columns {
  const float *d;
  float *y;
  int N, ld, rows, none;
};
extern "C" __global__ void THREADS(128) columns(Columns p) {
  int chunks = (p.N + p.rows - 1) / p.rows, i = blockX() * 128 + thread();
  if (i >= chunks * p.ld) return;
  int c = i % p.ld, chunk = i / p.ld, end = (chunk + 1) * p.rows;
  if (end > p.N) end = p.N;
  float sum = 0, lost = 0;
#pragma unroll 1
  for (int row = chunk * p.rows; row < end; row++) add(sum, lost, p.d[(long)row * p.ld + c]);
  float *y = p.y + (long)chunk * 2 * p.ld + c;
  y[0] = sum, y[p.ld] = lost;
}

// Gradient is the product of the transpose of d [N,ldd], of which K columns count, and x [N,ldx], a
// chunk of rows at a time: y [chunks,K,ldx]. Block (i, j) makes a tile of chunk first + j. Rows come
// through STAGES buffers of shared memory as a convolution's slices do, and an output's sum runs over
// the rows of its chunk in their order, whatever the tile.
struct Gradient {
  const float *d, *x;
  float *y;
  int N, K, ldd, ldx, rows, first; // ldd and ldx are multiples of 4
};
template <int SIDE, int T> INLINE void gradient(const Gradient &p) {
  constexpr int R = 8, SPAN = SIDE / 64, BYTES = SIDE * 4, PIECES = SIDE / 4;
  __shared__ __attribute__((aligned(128))) char a[STAGES][R * BYTES], b[STAGES][R * BYTES];
  int wide = (p.ldx + SIDE - 1) / SIDE, bm = blockX() / wide * SIDE, bn = blockX() % wide * SIDE;
  int from = (p.first + blockY()) * p.rows, rows = p.N - from;
  if (rows > p.rows) rows = p.rows;
  const float *d = p.d + (long)from * p.ldd, *x = p.x + (long)from * p.ldx;
  auto next = [&](int slice, u32 toA, u32 toB) {
#pragma unroll
    for (int i = thread(); i < R * PIECES; i += T) {
      int row = slice * R + i / PIECES, c = i % PIECES * 4;
      bool in = row < rows, there = in && bm + c < p.ldd;
      copyPiece(toA + i * 16, there ? d + (long)row * p.ldd + bm + c : p.d, there);
      there = in && bn + c < p.ldx;
      copyPiece(toB + i * 16, there ? x + (long)row * p.ldx + bn + c : p.x, there);
    }
    commit();
  };
  int ty = thread() / 16, tx = thread() % 16;
  float sum[2][4][SPAN][4] = {};
  int slices = (rows + R - 1) / R;
#pragma unroll
  for (int s = 0; s < STAGES - 1; s++) {
    if (s < slices) next(s, shared(a[s]), shared(b[s]));
    else commit();
  }
  int read = 0, write = STAGES - 1;
#pragma unroll 1
  for (int s = 0; s < slices; s++) {
    landed();
    __nvvm_bar_sync(0); // all have what they copied, and are done with the slice that is overwritten
    if (s + STAGES - 1 < slices) next(s + STAGES - 1, shared(a[write]), shared(b[write]));
    else commit();
#pragma unroll
    for (int r = 0; r < R; r++) {
      f32x4 u[2], v[SPAN];
#pragma unroll
      for (int i = 0; i < 2; i++) u[i] = *(const f32x4 *)(a[read] + r * BYTES + i * (BYTES / 2) + ty * 16);
#pragma unroll
      for (int j = 0; j < SPAN; j++) v[j] = *(const f32x4 *)(b[read] + r * BYTES + j * 256 + tx * 16);
#pragma unroll
      for (int i = 0; i < 2; i++)
#pragma unroll
        for (int k = 0; k < 4; k++)
#pragma unroll
          for (int j = 0; j < SPAN; j++)
#pragma unroll
            for (int l = 0; l < 4; l++) sum[i][k][j][l] = __builtin_fmaf(u[i][k], v[j][l], sum[i][k][j][l]);
    }
    if (++read == STAGES) read = 0;
    if (++write == STAGES) write = 0;
  }
  float *y = p.y + (long)blockY() * p.K * p.ldx;
#pragma unroll
  for (int i = 0; i < 2; i++)
#pragma unroll
    for (int k = 0; k < 4; k++) {
      int m = bm + i * (SIDE / 2) + ty * 4 + k;
      if (m >= p.K) continue;
#pragma unroll
      for (int j = 0; j < SPAN; j++) {
        int n = bn + j * 64 + tx * 4;
        if (n < p.ldx) *(f32x4 *)(y + (long)m * p.ldx + n) = *(f32x4 *)sum[i][k][j];
      }
    }
}
extern "C" __global__ void THREADS(128) gradient64(Gradient p) { gradient<64, 128>(p); }
extern "C" __global__ void THREADS(256) gradient128(Gradient p) { gradient<128, 256>(p); }

// Fold adds x [chunks,n], one chunk after the other, to y [2,n], sums and what they lost; the first
// time y is not read. One thread a sum.
struct Fold {
  const float *x;
  float *y;
  int n, chunks, first, none;
};
extern "C" __global__ void THREADS(128) fold(Fold p) {
  int i = blockX() * 128 + thread();
  if (i >= p.n) return;
  float sum = 0, lost = 0;
  if (!p.first) sum = p.y[i], lost = p.y[(long)p.n + i];
#pragma unroll 1
  for (int c = 0; c < p.chunks; c++) add(sum, lost, p.x[(long)c * p.n + i]);
  p.y[i] = sum, p.y[(long)p.n + i] = lost;
}
