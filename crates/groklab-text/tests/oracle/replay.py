"""Twenty training steps of a tiny model by PyTorch and the Gemma-2 of Hugging Face's transformers, f32:
pip install torch==2.9.0 transformers==4.57.1 && python replay.py > replay.json

Model, gradients, clipping, schedule, Adam and AdamW are theirs. Muon's orthogonal factor is made of the singular value
decomposition in f64 and the polynomial of the singular values, so it shares no step with the iteration under test.
The rate is so small that f32 and f64 stay together: at ten times the rate rounding grows to 3e-3 in the loss.
Parameters and ids are formulas of their index, so none is written down.
"""

import json
import math
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

V, T, D, L, H, FF, B, STEPS, WARMUP, RATE, CLIP = 11, 6, 8, 2, 2, 12, 4, 20, 4, 0.002, 0.5
BETAS, EPSILON, DECAY, MOMENTUM = (0.95, 0.999), 1e-8, 0.1, 0.95


def model():
    config = Gemma2Config(
        vocab_size=V, hidden_size=D, intermediate_size=FF, num_hidden_layers=L, num_attention_heads=H,
        num_key_value_heads=H, head_dim=D // H, query_pre_attn_scalar=D // H, max_position_embeddings=T,
        rms_norm_eps=1e-6, rope_theta=10000.0, attn_logit_softcapping=None, final_logit_softcapping=None,
        hidden_activation="gelu_pytorch_tanh", sliding_window=1024, tie_word_embeddings=False,
        # its padding id gets no gradient, and 0 is one of our ids
        pad_token_id=None, bos_token_id=None, eos_token_id=None,
        attention_dropout=0.0, attn_implementation="eager", use_cache=False,
    )
    return Gemma2ForCausalLM(config).to(torch.float32).train()


def ordered(net):
    """Parameters in the order of the layout, each with whether Muon takes it."""
    yield net.model.embed_tokens.weight, False
    for block in net.model.layers:
        attention, mlp = block.self_attn, block.mlp
        yield block.input_layernorm.weight, False
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj):
            yield linear.weight, True
        yield block.post_attention_layernorm.weight, False
        yield block.pre_feedforward_layernorm.weight, False
        for linear in (mlp.gate_proj, mlp.up_proj, mlp.down_proj):
            yield linear.weight, True
        yield block.post_feedforward_layernorm.weight, False
    yield net.model.norm.weight, False
    yield net.lm_head.weight, False


def ids(step):
    return torch.tensor([[(i * i * 7 + 3 * i + 5 * step + i // 7) % V for i in range(r * (T + 1), (r + 1) * (T + 1))]
                         for r in range(B)])


def rate(step):
    if step < WARMUP:
        return RATE * step / WARMUP
    return RATE * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


def orthogonal(update):
    u, s, v = torch.linalg.svd(update.double(), full_matrices=False)
    s = s / (s.square().sum().sqrt() + 1e-7)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s ** 3 + 2.0315 * s ** 5
    return (u * s) @ v


def replay(name):
    net = model()
    params = list(ordered(net))
    assert len(params) == len(list(net.parameters()))
    at = 0
    with torch.no_grad():
        for p, _ in params:
            flat = torch.arange(at, at + p.numel(), dtype=torch.float64)
            p.copy_((0.4 * torch.sin(1.7 * flat + 0.3)).reshape(p.shape))
            at += p.numel()
    decay = 0.0 if name == "adam" else DECAY
    by_adam = [p for p, matrix in params if name != "muon" or not matrix]
    matrices = [p for p, matrix in params if name == "muon" and matrix]
    groups = [{"params": [p for p in by_adam if p.ndim >= 2], "weight_decay": decay},
              {"params": [p for p in by_adam if p.ndim < 2], "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, eps=EPSILON)
    momenta = [torch.zeros_like(p) for p in matrices]
    losses, norms = [], []
    for step in range(STEPS):
        rows = ids(step)
        logits = net(rows[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, V), rows[:, 1:].reshape(-1))
        net.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for p, _ in params], CLIP)
        losses.append(loss.item())
        norms.append(norm.item())
        for group in adam.param_groups:
            group["lr"] = rate(step)
        with torch.no_grad():
            for p, m in zip(matrices, momenta):
                m.mul_(MOMENTUM).add_(p.grad)
                update = orthogonal(p.grad + MOMENTUM * m)
                p.mul_(1 - rate(step) * decay)
                p.sub_((rate(step) * 0.2 * math.sqrt(max(p.shape)) * update).float())
        adam.step()
    flat = torch.cat([p.detach().reshape(-1) for p, _ in params])
    return {"losses": losses, "norms": norms, "params": [round(v, 7) for v in flat[::3].tolist()]}


torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)
print(json.dumps({name: replay(name) for name in ("adam", "adamw", "muon")}))
