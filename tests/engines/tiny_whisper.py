"""Makes a Whisper and a wav2vec2 CTC model of random weights, in the formats that WhisperX loads.

    python tests/engines/tiny_whisper.py FOLDER

leaves FOLDER/model, which knows English only, FOLDER/french, which knows many languages and takes all speech
for French, FOLDER/ctc, which knows Latin letters, and FOLDER/cyrillic, which does not.

Runs in an interpreter that has whisperx, and needs nothing but what that brings.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from ctranslate2.converters import TransformersConverter
from faster_whisper.tokenizer import _LANGUAGE_CODES
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizerFast,
)

VOCABULARY = 51865


def whisper(folder: Path, language: str = "") -> None:
    """A Whisper of one narrow layer in CTranslate2's format, which takes all speech for one language.

    CTranslate2 knows a model of many languages by its empty token; without a language the model has none, so
    it knows English only.
    """
    letters = pre_tokenizers.ByteLevel.alphabet()
    tokens = {letter: number for number, letter in enumerate(sorted(letters))}
    # Without Cantonese, as up to large-v2: then each special token has its usual number.
    languages = [f"<|{code}|>" for code in _LANGUAGE_CODES if code != "yue"]
    special = ["<|endoftext|>", "<|startoftranscript|>", *languages]
    special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"]
    special += ["<|notimestamps|>", *(f"<|{k * 0.02:.2f}|>" for k in range(1501))]
    filling = [f"filling{k}" for k in range(VOCABULARY - len(tokens) - len(special))]
    if language:
        filling[-1] = ""
    tokens |= {word: len(tokens) + k for k, word in enumerate(filling)}
    bare = Tokenizer(models.BPE(vocab=tokens, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    bare.add_special_tokens(special)
    end = "<|endoftext|>"
    tokenizer = WhisperTokenizerFast(
        tokenizer_object=bare,
        bos_token=end,
        eos_token=end,
        unk_token=end,
        additional_special_tokens=languages,
    )
    place = tokenizer.convert_tokens_to_ids
    config = WhisperConfig(
        vocab_size=VOCABULARY,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        bos_token_id=place("<|endoftext|>"),
        eos_token_id=place("<|endoftext|>"),
        pad_token_id=place("<|endoftext|>"),
        decoder_start_token_id=place("<|startoftranscript|>"),
    )
    model = WhisperForConditionalGeneration(config)
    if language:
        # What the last layer says is then much the same in all places: the token of that language.
        heard = model.get_input_embeddings().weight[place(f"<|{language}|>")].detach()
        model.model.decoder.layer_norm.bias.data = 40 * heard / heard.norm()
    # What may be said are Latin letters.
    letters = {"\u0120", *"abcdefghijklmnopqrstuvwxyz"}
    silent = [word for word in (*tokens, *special[1:]) if word not in letters]
    model.generation_config.suppress_tokens = [place(word) for word in silent]
    model.generation_config.begin_suppress_tokens = [place("<|endoftext|>")]
    model.generation_config.no_timestamps_token_id = place("<|notimestamps|>")
    hub = folder.with_suffix(".hub")
    model.save_pretrained(hub)
    tokenizer.save_pretrained(hub)
    WhisperFeatureExtractor().save_pretrained(hub)
    copied = ["tokenizer.json", "preprocessor_config.json"]
    TransformersConverter(str(hub), copy_files=copied).convert(str(folder))


def ctc(out: Path, alphabet: str) -> None:
    """A wav2vec2 of one narrow layer that tells letters."""
    out.mkdir()
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *alphabet]
    (out / "vocab.json").write_text(json.dumps({letter: k for k, letter in enumerate(letters)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(out / "vocab.json"))
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), tokenizer).save_pretrained(out)
    config = Wav2Vec2Config(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )
    Wav2Vec2ForCTC(config).save_pretrained(out)


if __name__ == "__main__":
    torch.manual_seed(1)
    folder = Path(sys.argv[1])
    whisper(folder / "model")
    whisper(folder / "french", "fr")
    ctc(folder / "ctc", "abcdefghijklmnopqrstuvwxyz'")
    ctc(folder / "cyrillic", "абвгдежзийклмнопрстуфхцчшщъыьэюя")
