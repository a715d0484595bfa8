// Convolution as a product of matrices that is never written out: a row is an output pixel, a
// column an output channel, and K runs over the taps of the window and, within a tap, over the
// input's lanes. Bias and ReLU follow, and the result goes to its channels of a wider buffer, so a
// concatenation costs nothing.
//
// A block computes BM x BN outputs. K is taken in slices of 64 bytes a row, 4 pieces of 16, through
// STAGES buffers of shared memory that cp.async fills ahead. An output's sum runs over K in one
// order whatever the tile, so the tile is a matter of speed alone. A dense layer is a convolution
// of one pixel.
#pragma once
#include "device.h"

struct Conv {
  const store *x, *w; // x: the value's first lane; w [O,KH,KW,C]
  const float *bias;  // [O]
  store *y;           // the value's first lane
  int N, H, W, C;     // C and O are multiples of 8
  int OH, OW, O, KH, KW, SH, SW, top, left;
  int ldx, ldy; // lanes of a pixel of the buffers that x and y are parts of
  int relu;
};

constexpr int STAGES = 3;
constexpr int ROW = 64;                     // bytes of a row of a slice
constexpr int PIECE = 16 / sizeof(store);   // elements of 16 bytes

// place is where piece c of a row lies: spread so that 8 rows of one piece meet no bank twice.
INLINE u32 place(int row, int c) { return row * ROW + ((c ^ ((row >> 1) & 3)) << 4); }

INLINE void copyPiece(u32 to, const void *from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0) : "memory");
}
INLINE void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
INLINE void landed() { asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory"); }

// Slices copies what a thread has to of one slice of K after the other: of both matrices some rows,
// and of a row one piece.
template <int BM, int BN, int T> struct Slices {
  static constexpr int STEP = T / 4, NA = BM / STEP, NB = BN / STEP;
  const store *image[NA], *filter;
  int y0[NA], x0[NA], row, col, pieces, kh, kw, c, k, K, o;

  __device__ __attribute__((always_inline)) void begin(const Conv &p, int bm, int bn) {
    row = thread() >> 2, col = thread() & 3, pieces = p.C / PIECE;
    kh = kw = 0, c = col, k = col, K = p.KH * p.KW * pieces, o = bn + row;
    wrap(p);
    filter = p.w + (long)o * p.KH * p.KW * p.C;
    int M = p.N * p.OH * p.OW;
#pragma unroll
    for (int i = 0; i < NA; i++) {
      int m = bm + row + i * STEP;
      bool there = m < M;
      if (!there) m = 0;
      int n = m / (p.OH * p.OW), r = m - n * (p.OH * p.OW), oh = r / p.OW, ow = r - oh * p.OW;
      image[i] = p.x + (long)n * p.H * p.W * p.ldx;
      y0[i] = there ? oh * p.SH - p.top : -(1 << 30);
      x0[i] = ow * p.SW - p.left;
    }
  }
  // wrap goes to the tap that piece c lies in.
  __device__ __attribute__((always_inline)) void wrap(const Conv &p) {
    while (c >= pieces && kh < p.KH) {
      c -= pieces;
      if (++kw == p.KW) kw = 0, kh++;
    }
  }
  __device__ __attribute__((always_inline)) void next(const Conv &p, u32 a, u32 b) {
#pragma unroll
    for (int i = 0; i < NA; i++) {
      int y = y0[i] + kh, x = x0[i] + kw;
      bool there = kh < p.KH && (u32)y < (u32)p.H && (u32)x < (u32)p.W;
      copyPiece(a + place(row + i * STEP, col), there ? image[i] + ((long)y * p.W + x) * p.ldx + c * PIECE : p.x, there);
    }
#pragma unroll
    for (int i = 0; i < NB; i++) {
      bool there = k < K && o + i * STEP < p.O;
      copyPiece(b + place(row + i * STEP, col), there ? filter + ((long)i * STEP * K + k) * PIECE : p.w, there);
    }
    c += 4, k += 4;
    wrap(p);
    commit();
  }
};

#ifdef FLOAT32
// A thread computes TM rows TY apart times TN columns 16 apart, by fused multiply-adds.
template <int BM, int BN, int T> struct Tile {
  static constexpr int TY = T / 16, TM = BM / TY, TN = BN / 16;
  float sum[TM][TN] = {};

  __device__ __attribute__((always_inline)) void add(const char *a, const char *b) {
    int ty = thread() / 16, tx = thread() % 16;
#pragma unroll
    for (int c = 0; c < 4; c++) {
      f32x4 u[TM], v[TN];
#pragma unroll
      for (int i = 0; i < TM; i++) u[i] = *(const f32x4 *)(a + place(ty + i * TY, c));
#pragma unroll
      for (int j = 0; j < TN; j++) v[j] = *(const f32x4 *)(b + place(tx + j * 16, c));
#pragma unroll
      for (int k = 0; k < 4; k++)
#pragma unroll
        for (int i = 0; i < TM; i++)
#pragma unroll
          for (int j = 0; j < TN; j++) sum[i][j] = __builtin_fmaf(u[i][k], v[j][k], sum[i][j]);
    }
  }
  __device__ __attribute__((always_inline)) void end(const Conv &p, int bm, int bn) {
    int ty = thread() / 16, tx = thread() % 16, M = p.N * p.OH * p.OW;
#pragma unroll
    for (int j = 0; j < TN; j++) {
      int o = bn + tx + j * 16;
      if (o >= p.O) continue;
      float bias = p.bias[o];
#pragma unroll
      for (int i = 0; i < TM; i++) {
        int m = bm + ty + i * TY;
        if (m >= M) continue;
        float v = sum[i][j] + bias;
        p.y[(long)m * p.ldy + o] = p.relu ? relu(v) : v;
      }
    }
  }
};
#define SMALL 128
#define LARGE 256
#else
// A warp computes WM x WN outputs in fragments of 16 x 8, by the tensor cores: 32 bytes of K at once.
template <int BM, int BN, int T> struct Tile {
  static constexpr int WARPS = T / 32, ACROSS = 2, WM = BM / (WARPS / ACROSS), WN = BN / ACROSS;
  float sum[WM / 16][WN / 8][4] = {};

  INLINE void load(u32 *r, u32 at) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
#ifdef TF32
#pragma unroll
    for (int i = 0; i < 4; i++) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r[i]) : "f"(__builtin_bit_cast(float, r[i])));
#endif
  }
  INLINE void multiply(float *c, const u32 *a, const u32 *b) {
#if defined(TF32)
#define MMA "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"
#elif defined(FLOAT16)
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#else
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"
#endif
    asm volatile(MMA " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
  INLINE int warpRow() { return thread() / 32 / ACROSS * WM; }
  INLINE int warpColumn() { return thread() / 32 % ACROSS * WN; }

  __device__ __attribute__((always_inline)) void add(const char *sa, const char *sb) {
    u32 a0 = shared(sa), b0 = shared(sb);
    int lane = thread() & 31, wm = warpRow(), wn = warpColumn();
#pragma unroll
    for (int c = 0; c < 4; c += 2) {
      u32 a[WM / 16][4], b[WN / 16][4];
#pragma unroll
      for (int i = 0; i < WM / 16; i++) load(a[i], a0 + place(wm + i * 16 + (lane & 15), c + (lane >> 4)));
#pragma unroll
      for (int j = 0; j < WN / 16; j++)
        load(b[j], b0 + place(wn + j * 16 + (lane & 7) + (lane >> 4) * 8, c + (lane >> 3 & 1)));
#pragma unroll
      for (int i = 0; i < WM / 16; i++)
#pragma unroll
        for (int j = 0; j < WN / 8; j++) multiply(sum[i][j], a[i], &b[j / 2][j % 2 * 2]);
    }
  }
  __device__ __attribute__((always_inline)) void end(const Conv &p, int bm, int bn) {
    int lane = thread() & 31, M = p.N * p.OH * p.OW;
#pragma unroll
    for (int j = 0; j < WN / 8; j++) {
      int o = bn + warpColumn() + j * 8 + lane % 4 * 2;
      if (o >= p.O) continue;
      float b0 = p.bias[o], b1 = p.bias[o + 1];
#pragma unroll
      for (int i = 0; i < WM / 16; i++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
          int m = bm + warpRow() + i * 16 + lane / 4 + h * 8;
          if (m >= M) continue;
          float v0 = sum[i][j][h * 2] + b0, v1 = sum[i][j][h * 2 + 1] + b1;
          if (p.relu) v0 = relu(v0), v1 = relu(v1);
          putPair(p.y + (long)m * p.ldy + o, v0, v1);
        }
    }
  }
};
#define SMALL 128
#define LARGE 128
#endif

template <int BM, int BN, int T> INLINE void conv(const Conv &p) {
  __shared__ __attribute__((aligned(128))) char a[STAGES][BM * ROW], b[STAGES][BN * ROW];
  int bm = blockX() * BM, bn = blockY() * BN;
  Slices<BM, BN, T> in;
  in.begin(p, bm, bn);
  Tile<BM, BN, T> tile;
  int slices = (in.K + 3) / 4;
#pragma unroll
  for (int s = 0; s < STAGES - 1; s++) {
    if (s < slices) in.next(p, shared(a[s]), shared(b[s]));
    else commit();
  }
  int read = 0, write = STAGES - 1;
#pragma unroll 1
  for (int s = 0; s < slices; s++) {
    landed();
    __nvvm_bar_sync(0); // all have what they copied, and are done with the slice that is overwritten
    if (s + STAGES - 1 < slices) in.next(p, shared(a[write]), shared(b[write]));
    else commit();
    tile.add(a[read], b[read]);
    if (++read == STAGES) read = 0;
    if (++write == STAGES) write = 0;
  }
  tile.end(p, bm, bn);
}

extern "C" __global__ void THREADS(SMALL) conv64(Conv p) { conv<64, 64, SMALL>(p); }
extern "C" __global__ void THREADS(LARGE) conv128(Conv p) { conv<128, 128, LARGE>(p); }
