"""AdamW with bf16 gradients in one pass over memory, for Nvidia's GPUs.

With torch's own the gradients are copied to fp32, scaled in place and used, the weights rounded,
and the gradients cleared: 48 bytes a number are read or written where these are 30.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

log = logging.getLogger("huggingtweets")

_THREADS = 256  # in a block
_BLOCKS_A_PROCESSOR = 16
_AT_ONCE = 4  # numbers that a thread loads together; `flat_weights.ALIGNED` is a multiple

# What torch's fused AdamW computes, in its order. `divisor` is of the gradients, `keep` what weight
# decay leaves of the weights. Weights are rounded to bf16 as everywhere: half to even.
_SOURCE = r"""
__device__ float exact(unsigned short x) { return __uint_as_float(((unsigned)x) << 16); }

__device__ unsigned short rounded(float x) {
  unsigned bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fc0;  // no number stays none
  return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

extern "C" __global__ void adamw(
    ushort4* grads, float4* master, float4* first, float4* second, ushort4* weights,
    const float* steps, const float* rate, const float* keep, const float* divisor, int count) {
  __shared__ float size, root;
  if (threadIdx.x == 0) {
    size = (float)(*rate / (1.0 - pow(BETA1, (double)*steps)));
    root = (float)sqrt(1.0 - pow(BETA2, (double)*steps));
  }
  __syncthreads();
  const float kept = *keep, scale = *divisor;
  const float beta2 = (float)BETA2, new1 = (float)(1.0 - BETA1), new2 = (float)(1.0 - BETA2);
  const int stride = gridDim.x * blockDim.x;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride) {
    ushort4 g = grads[i], w;
    float4 p = master[i], m = first[i], v = second[i];
#define UPDATE(c) { \
    float grad = exact(g.c) / scale; \
    m.c += new1 * (grad - m.c); \
    v.c = beta2 * v.c + new2 * grad * grad; \
    p.c = kept * p.c - size * m.c / (sqrtf(v.c) / root + (float)EPSILON); \
    w.c = rounded(p.c); }
    UPDATE(x) UPDATE(y) UPDATE(z) UPDATE(w)
    master[i] = p; first[i] = m; second[i] = v; weights[i] = w;
    grads[i] = make_ushort4(0, 0, 0, 0);
  }
}
"""


Step = Callable[..., None]  # all tensors


@cache
def one_pass(betas: tuple[float, float], epsilon: float) -> Step | None:
    """A step by one kernel, of tensors in its order: from the gradients to their divisor.

    It uses the gradients and clears them. None where it cannot be compiled.
    """
    if torch.version.cuda is None:
        return None
    constants = {"BETA1": betas[0], "BETA2": betas[1], "EPSILON": epsilon}
    defined = "".join(f"#define {name} {value!r}\n" for name, value in constants.items())
    try:
        kernel: Any = torch.cuda._compile_kernel(defined + _SOURCE, "adamw")  # noqa: SLF001 - its public name is not settled yet
    except (AttributeError, ImportError, OSError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        log.info("the optimizer steps by torch's own kernels (%s)", reason)
        return None
    processors = torch.cuda.get_device_properties().multi_processor_count
    grid, block = (processors * _BLOCKS_A_PROCESSOR, 1, 1), (_THREADS, 1, 1)

    def step(grads: torch.Tensor, *others: torch.Tensor) -> None:
        kernel(grid, block, [grads, *others, grads.numel() // _AT_ONCE])

    return step
