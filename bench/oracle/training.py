"""Training steps by PyTorch, for bench/training.ts, which starts this program and says how.

    python3 -m venv VENV && VENV/bin/pip install torch==2.13.0 transformers==5.24.0 peft==0.21.2
    HYPERTHINK_VENV=VENV node bench/training.ts

A line in is JSON, a line out its answer. {"open": NAME, "kind": "pretrain" | "retrofit", "model": FOLDER,
"bf16": bool, "eager": bool, "threads": n, "optimizer": {...}, "retrofit": {...}, "adapter": FOLDER} makes a learner.
{"step": NAME, "ids": [B][T], "noise": FILE | null} takes one step and answers {"loss", "sparsity", "seconds"};
{"close": NAME} forgets one.

Models are transformers' own, with SDPA: causal without a mask where there are no gates. Low-rank changes are PEFT's.
For gates, attention adds the mask that DMS needs (arXiv 2506.05345), [B, Hq, T, T], as the public trainers do: by
SDPA, or "eager", as transformers spells attention out, which on CPUs is the faster of the two. bf16 is torch.autocast
over float32 weights; losses are float32. AdamW is the fused one.
"""

import json
import pathlib
import sys
import time

import numpy
import torch
import torch.nn.functional as F
import transformers
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


class Gate(torch.nn.Module):
    """Decision logits of a layer, from the residual stream before its input norm."""

    def __init__(self, tensors, layer, eps, scale, offset):
        super().__init__()
        at = f"model.layers.{layer}.self_attn.dms_proj_alpha"
        self.norm = torch.nn.Parameter(tensors[f"{at}_norm.weight"])
        self.proj = torch.nn.Parameter(tensors[f"{at}.weight"])
        self.eps, self.scale, self.offset = eps, scale, offset

    def forward(self, hidden):
        with torch.autocast("cpu", enabled=False):  # scaled by 100: bf16 would round decisions
            normed = F.rms_norm(hidden.float(), (hidden.shape[-1],), self.norm, self.eps)
            return F.linear(normed, self.proj).transpose(1, 2) * self.scale - self.offset  # [B, Hkv, T]


class Mask:
    """What the layers of one pass share: the shape of the mask, whether gates act, and what they decided."""

    def __init__(self, retrofit, eager):
        self.eager = eager
        self.window, self.tau, self.shift = retrofit["window"], retrofit["tau"], retrofit["shift"]
        self.on, self.z, self.noise, self.length = False, [], None, 0

    def begin(self, on, noise, length):
        self.on, self.noise, self.z = on, noise, []
        if length != self.length:
            self.length = length
            apart = torch.arange(length)[:, None] - torch.arange(length)[None, :]
            self.far = apart > self.window
            self.causal = torch.where(apart < 0, float("-inf"), 0.0)

    def decide(self, logits):
        """Log of the share that each key keeps once it left the window, [B, Hkv, T]."""
        if self.noise is None:
            u = torch.rand_like(logits).clamp(1e-7, 1 - 1e-7)
            noise = torch.log(u) - torch.log1p(-u)
        else:
            noise = self.noise[len(self.z)]
        z = (logits + noise) / self.tau
        self.z.append(z)
        soft = F.logsigmoid(-z)
        return F.pad(soft[..., 1:], (0, 1)) if self.shift else soft


def masked_attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    shared = module.mask
    if not shared.on:
        out = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=True)
        return out.transpose(1, 2).contiguous(), None
    groups = query.shape[1] // key.shape[1]
    soft = module.soft.repeat_interleave(groups, 1).to(query.dtype)
    mask = torch.where(shared.far, soft[:, :, None, :], shared.causal.to(query.dtype))
    if shared.eager:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        scores = torch.matmul(query, key.transpose(2, 3)) * scaling + mask
        out = torch.matmul(torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype), value)
    else:
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling, enable_gqa=True)
    return out.transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register("dms", masked_attention)


class Learner:
    def __init__(self, order):
        self.bf16 = order["bf16"]
        settings = order["optimizer"]
        model = AutoModelForCausalLM.from_pretrained(
            order["model"], dtype=torch.float32,
            attn_implementation="sdpa" if order["kind"] == "pretrain" else "dms")
        model.config.use_cache = False
        groups = self.prepare(model, order)
        self.model.train()
        self.learned = [p for group in groups for p in group["params"]]
        self.clip = settings["clip"]
        self.optimizer = torch.optim.AdamW(
            groups, betas=(settings["beta1"], settings["beta2"]), eps=settings["eps"], weight_decay=0, fused=True)
        self.rate = settings["rate"]

    def prepare(self, model, order):
        self.model = model
        return [{"params": list(model.parameters()), "lr": order["optimizer"]["rate"]}]

    def step(self, ids, noise):
        began = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            loss, sparsity = self.losses(ids, noise)
        (loss + sparsity).backward()
        if self.clip > 0:
            torch.nn.utils.clip_grad_norm_(self.learned, self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        answer = {"loss": loss.item(), "sparsity": sparsity.item()}
        return answer | {"seconds": time.perf_counter() - began}

    def losses(self, ids, noise):
        return self.model(input_ids=ids, labels=ids).loss, torch.zeros(())


class Retrofit(Learner):
    """Distillation of the model's own untouched self through gates, with low-rank changes."""

    def prepare(self, model, order):
        retrofit, settings = order["retrofit"], order["optimizer"]
        self.target, self.weight = retrofit["target"], retrofit["weight"]
        self.mask = Mask(retrofit, order["eager"])
        tensors = load_file(pathlib.Path(order["adapter"], "model.safetensors"))
        eps, scale, offset = model.config.rms_norm_eps, retrofit["scale"], retrofit["offset"]
        self.gates = torch.nn.ModuleList()
        for i, layer in enumerate(model.model.layers):
            gate = Gate(tensors, i, eps, scale, offset)
            self.gates.append(gate)
            layer.self_attn.mask = self.mask
            layer.register_forward_pre_hook(self.decide(gate, layer.self_attn), with_kwargs=True)
        self.model = PeftModel.from_pretrained(model, order["adapter"], is_trainable=True)
        low = [p for p in self.model.parameters() if p.requires_grad]
        return [{"params": low, "lr": settings["rate"]},
                {"params": list(self.gates.parameters()), "lr": settings["gateRate"]}]

    def decide(self, gate, attention):
        def hook(layer, args, kwargs):
            if self.mask.on:
                attention.soft = self.mask.decide(gate(args[0] if args else kwargs["hidden_states"]))
        return hook

    def losses(self, ids, noise):
        # A model that was called with every key kept, and without its low-rank changes, is the teacher.
        self.mask.begin(False, None, ids.shape[1])
        with torch.no_grad(), self.model.disable_adapter():
            taught = F.log_softmax(self.model(input_ids=ids).logits[:, :-1].float(), -1)
        self.mask.begin(True, noise, ids.shape[1])
        own = F.log_softmax(self.model(input_ids=ids).logits[:, :-1].float(), -1)
        distill = (own.exp() * (own - taught)).sum(-1).mean()
        z = torch.stack(self.mask.z)  # [L, B, Hkv, T]
        open_ = torch.sigmoid(z)
        bits = (z > 0).float() + open_ - open_.detach()
        lacks = (self.target - bits.mean((0, 2, 3))).clamp(min=0)
        return distill, self.weight * lacks.mean()


KINDS = {"pretrain": Learner, "retrofit": Retrofit}


def noise_of(file, layers, batch, length):
    if file is None:
        return None
    values = torch.from_numpy(numpy.fromfile(file, dtype="<f4"))
    return values.reshape(layers, batch, length, -1).transpose(2, 3).contiguous()


def main():
    transformers.utils.logging.disable_progress_bar()
    learners = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "open" in order:
            torch.set_num_threads(order["threads"])
            learners[order["open"]] = KINDS[order["kind"]](order)
            answer = {"torch": torch.__version__, "transformers": transformers.__version__,
                      "threads": torch.get_num_threads()}
        elif "step" in order:
            learner = learners[order["step"]]
            ids = torch.tensor(order["ids"])
            layers = learner.model.config.num_hidden_layers
            answer = learner.step(ids, noise_of(order["noise"], layers, *ids.shape))
        else:
            del learners[order["close"]]
            answer = {}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
