"""Tiny random bases with a tokenizer of their own, in the architectures that matter."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from tasks.core.records import Base
from tests.sample_posts import sentence

MARK = "<|endoftext|>"


def make_tiny_tokenizer(*, ascii_only: bool = False) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 400 tokens, trained on made-up posts, with one special token.

    ascii_only: without bytes that are no text by themselves.
    """
    draw = random.Random(0)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if ascii_only:
        alphabet = [letter for letter in alphabet if letter.isascii()]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[MARK],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator((sentence(draw) for _ in range(300)), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=MARK, eos_token=MARK)


def make_tiny_base(
    folder: Path,
    architecture: str = "gpt2",
    *,
    positions: int = 128,
    layers: int = 2,
    width: int = 32,
    ascii_only: bool = False,
) -> Base:
    """A base of random weights in `folder`: `gpt2` or `llama`."""
    tokenizer = make_tiny_tokenizer(ascii_only=ascii_only)
    torch.manual_seed(0)
    if architecture == "gpt2":
        model: torch.nn.Module = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(tokenizer),
                n_positions=positions,
                n_embd=width,
                n_layer=layers,
                n_head=2,
                bos_token_id=0,
                eos_token_id=0,
            )
        )
    else:
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                max_position_embeddings=positions,
                hidden_size=width,
                intermediate_size=2 * width,
                num_hidden_layers=layers,
                num_attention_heads=2,
                num_key_value_heads=1,
                tie_word_embeddings=True,
                bos_token_id=0,
                eos_token_id=0,
            )
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Base(id=str(folder), folder=str(folder), revision="tiny", origin="made in a test")
