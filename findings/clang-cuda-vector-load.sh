#!/usr/bin/env bash
# clang 19 (Debian's clang-19 19.1.7), CUDA for NVIDIA GPUs: one load of 16 bytes in the source becomes
# four loads of 4 when its numbers are halved.
#
# Version: clang-19 1:19.1.7-3~deb12u1 of Debian 12, -O3, --cuda-gpu-arch=sm_80.
# Behaviour: a load of a vector of four 32-bit numbers, each of which is used as two halves, is split into
# four scalar loads, though the type says that the address is a multiple of 16. Copied whole, or with the
# lower halves alone used, the same vector is loaded at once.
# Expected: ld.global.v4 in all. A warp then asks for its 512 bytes once and not four times.
# Seen 2026-11-30: halves: 4 loads of 4 bytes; whole: 1 load of 16 bytes.
# What follows: pools and other kernels that read many halves a thread issue four times the loads, and no
# message says so. Look at the PTX, and write such loads as inline assembly.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
version='1:19.1.7-3~deb12u1'
apt-get download -q=2 "clang-19=$version" "libclang-cpp19=$version" "libllvm19=$version" \
  "libclang-common-19-dev=$version" 2>/dev/null # Debian 12, after apt-get update
for f in *.deb; do dpkg -x "$f" unpacked; done
clang=unpacked/usr/lib/llvm-19/bin/clang
export LD_LIBRARY_PATH=$d/unpacked/usr/lib/llvm-19/lib:$d/unpacked/usr/lib/x86_64-linux-gnu
$clang --version | head -1
cat > k.cu <<'E'
#define KERNEL extern "C" __attribute__((global)) void
typedef unsigned four __attribute__((ext_vector_type(4)));

KERNEL halves(const four *x, float *y) {
  four v = *x;
  float sum = 0;
  for (int i = 0; i < 4; i++) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"((unsigned short)v[i]));
    sum += f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"((unsigned short)(v[i] >> 16)));
    sum += f;
  }
  *y = sum;
}

KERNEL whole(const four *x, four *y) { *y = *x; }
E
$clang -x cuda --cuda-device-only --cuda-gpu-arch=sm_80 --cuda-feature=+ptx70 -nocudainc -nocudalib -O3 -S -o k.ptx k.cu
loads() { awk "/entry $1\(/ {on = 1} /^}/ {on = 0} on" k.ptx | grep -oE 'ld\.global[.a-z0-9]*' | sort | uniq -c | xargs; }
echo "halves: $(loads halves)"
echo "whole: $(loads whole)"
[ "$(loads halves)" = '4 ld.global.u32' ] && [ "$(loads whole)" = '1 ld.global.v4.u32' ] ||
  { echo 'this version behaves otherwise'; exit 1; }
