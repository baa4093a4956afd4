"""Maps of attention against loops, and on the vision transformers of other packages."""

import re
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import InputError, LayerError, MethodError, TargetError
from saliscope.attribution import Attention, AttentionRollout, GradientRollout, SmoothGrad
from tests.attribution.helpers import pictures, relative
from tests.attribution.test_cam import VisionTransformer
from tests.attribution.token_variants import TokenBlock, TokenLayers, Written, scores, transformer
from tests.attribution.variants import Layers, plain
from tests.core.helpers import unchecked
from tests.reference.definitions import enlarged
from tests.reference.transformer import SlowTransformer, gradient_rollout, rollout

METHODS = [Attention(), AttentionRollout(), GradientRollout()]
X = pictures(2, size=6)


@pytest.fixture(scope="module")
def slow() -> SlowTransformer:
    return SlowTransformer(TokenLayers())


@pytest.fixture
def model() -> nn.Module:
    return transformer(TokenLayers(), "fused")


def by_hand(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return scores(q, k).softmax(-1) @ v


class Pooled(nn.Module):
    """Each pixel is a token, and there is no other; the score is read from their mean, or from one query."""

    def __init__(self, by_attention: bool = False) -> None:
        super().__init__()
        layers = TokenLayers()
        with torch.random.fork_rng():
            torch.manual_seed(2)
            self.first, self.positions = (
                nn.Conv2d(2, 8, 1).double(),
                nn.Parameter(torch.randn(1, 16, 8).double()),
            )
            self.probe = nn.Parameter(torch.randn(1, 1, 8).double())
        self.blocks = nn.Sequential(*(TokenBlock(layers, Written(layers.heads, by_hand)) for _ in range(2)))
        self.pool = layers.heads if by_attention else None
        self.last = layers.last

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.blocks(self.first(x).flatten(2).transpose(1, 2) + self.positions)
        if self.pool is not None:
            return self.last(self.pool(self.probe.expand(len(x), -1, -1), tokens, tokens)[0][:, 0])
        return self.last(tokens.mean(1))


def as_map(row: np.ndarray, size: int = 6) -> np.ndarray:
    """The tokens behind the first one, on their grid, at the size of the picture."""
    return enlarged(row[1:].reshape(3, 3), size, size)


@pytest.mark.parametrize(("head", "block"), list(product((0, 1, 2), (0, 1))))
def test_raw_attention_is_a_row_of_its_matrix(model, slow, head, block):
    made = Attention(f"features.blocks.{block}", head).attribute(model, X, 1)
    assert (made.grid, made.layer, made.signed) == ((3, 3), f"features.blocks.{block}.attention", False)
    for one, values in zip(X.numpy(), made.map.numpy(), strict=True):
        weights = slow.run(one)[1][block]
        row = (weights.mean(0) if head == 0 else weights[head - 1])[0]
        np.testing.assert_allclose(values, as_map(row), atol=1e-13)


def test_a_layer_around_several_attentions_means_the_last_of_them(model):
    by_default = Attention().attribute(model, X, 1)
    for name in ("features", "features.blocks", "features.blocks.1", "features.blocks.1.attention"):
        named = Attention(name).attribute(model, X, 1)
        assert torch.equal(named.values, by_default.values)
        assert named.layer == by_default.layer == "features.blocks.1.attention"
    first = Attention("features.blocks.0").attribute(model, X, 1)
    assert relative(first.values, by_default.values) > 0.01


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"residual": 0.2},
        {"residual": 0.0, "fuse": np.max},
        {"fuse": np.min},
        {"drop": 3},
        {"drop": 9, "fuse": np.max},
        {"start": 1},
    ],
    ids=str,
)
def test_rollout_is_the_product_of_all_layers(model, slow, options):
    fusion = {np.max: "max", np.min: "min"}.get(options.get("fuse"), "mean")
    method = AttentionRollout(
        options.get("residual", 0.5), fusion, (options.get("drop", 0) + 0.5) / 10, options.get("start", 0)
    )
    made = method.attribute(model, X, 1)
    assert (made.grid, made.layer, made.signed) == ((3, 3), None, False)
    for one, values in zip(X.numpy(), made.map.numpy(), strict=True):
        matrix = rollout(slow.run(one)[1], **options)
        np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-13)
        np.testing.assert_allclose(values, as_map(matrix[0]), atol=1e-13)
    mean = AttentionRollout(method.residual, method.fusion, method.discard, method.start_layer, "mean")
    for one, values in zip(X.numpy(), mean.attribute(model, X, 1).map.numpy(), strict=True):
        np.testing.assert_allclose(
            values, as_map(rollout(slow.run(one)[1], **options)[1:].mean(0)), atol=1e-13
        )


@pytest.mark.parametrize("start", [0, 1])
def test_gradient_rollout_is_that_of_the_paper(model, slow, start):
    x = X[:, :, :4, :4]
    made = GradientRollout(start).attribute(model, x, [1, 3])
    mean = GradientRollout(start, "mean").attribute(model, x, [1, 3])
    assert not made.signed
    for i, target in enumerate((1, 3)):
        one = x[i].numpy()
        matrix = gradient_rollout(slow.run(one)[1], slow.slopes(one, target), start)
        for values, row in ((made.map[i], matrix[0]), (mean.map[i], matrix[1:].mean(0))):
            np.testing.assert_allclose(values.numpy(), enlarged(row[1:].reshape(2, 2), 4, 4), atol=1e-8)


def test_where_every_pixel_is_a_token_the_rows_sum_to_one():
    x = pictures(3)
    for model in (Pooled(), Pooled(by_attention=True)):
        for method in (
            Attention(),
            AttentionRollout(),
            AttentionRollout(0.3, "max", 0.4),
            AttentionRollout(1.0),
        ):
            made = method.attribute(model, x, 1)
            assert made.grid == (4, 4)
            torch.testing.assert_close(made.map.sum((1, 2)), torch.ones(3).double())
    flat = AttentionRollout(1.0).attribute(Pooled(), x, 1).values
    torch.testing.assert_close(flat, torch.full_like(flat, 1 / 16))  # nothing mixes them


def test_pooling_by_attention_weighs_the_tokens_below():
    """The query of the pooling is nobody's own token: it has no residual connection."""
    model, x = Pooled(by_attention=True), pictures(2)
    pool = Attention("pool").attribute(model, x, 1).values.flatten(1)
    layers = [Attention(f"blocks.{k}", query="mean") for k in (0, 1)]
    assert {one.attribute(model, x, 1).layer for one in layers} == {
        "blocks.0.attention",
        "blocks.1.attention",
    }
    all_kept = AttentionRollout(1.0).attribute(model, x, 1).values.flatten(1)
    torch.testing.assert_close(all_kept, pool)
    assert relative(AttentionRollout().attribute(model, x, 1).values.flatten(1), pool) > 1e-3


def test_only_the_gradient_asks_for_the_class(model):
    for method in METHODS:
        one, other = (method.attribute(model, X, target).values for target in (0, 1))
        assert torch.equal(one, other) == (method.key != "gradient_rollout")


def test_the_gradients_are_those_of_each_input_alone():
    """Also where weights come with heads and inputs in one dimension."""
    model = transformer(TokenLayers(), "heads_beside_inputs")
    together = GradientRollout().attribute(model, X, [0, 2]).values
    alone = [GradientRollout().attribute(model, X[i : i + 1], t).values for i, t in ((0, 0), (1, 2))]
    assert relative(together, torch.cat(alone)) < 1e-12


def test_other_tokens_before_the_grid():
    made = Attention().attribute(VisionTransformer(n_prefix=5), pictures(1, size=16), 1)
    assert made.grid == (4, 4)
    oblong = AttentionRollout().attribute(VisionTransformer((2, 6)), pictures(1, size=24)[:, :, :8], 1)
    assert oblong.grid == (2, 6)


def test_smooth_grad_of_a_rollout(model):
    made = SmoothGrad(AttentionRollout(), n_samples=2, noise_level=0.0).attribute(model, X, 1)
    assert relative(made.values, AttentionRollout().attribute(model, X, 1).values) < 1e-12


class Windowed(nn.Module):
    """Attention within each half of the tokens, as Swin's."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(2, 8, 1).double(), nn.Linear(8, 3).double()

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.first(x).flatten(2).transpose(1, 2).unflatten(1, (2, -1)).flatten(0, 1)[:, None]
        tokens = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
        return self.last(tokens.unflatten(0, (len(x), 2)).mean((1, 2, 3)))


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.key)
def test_where_it_does_not_apply(method, model):
    text = f"`method`: got {method.title} for a model in which no attention was seen; expected a transformer"
    with pytest.raises(MethodError, match=re.escape(text)):
        method.attribute(plain(Layers()), X, 1)
    text = "`method`: got attention within windows in '', with weights of shape (4, 1, 18, 18) for 2 inputs"
    with pytest.raises(MethodError, match=re.escape(text) + ".*Choose Grad-CAM"):
        method.attribute(Windowed(), X, 1)
    with pytest.raises(InputError, match=r"got shape \(2, 5\); expected pictures"):
        method.attribute(nn.Linear(5, 3).double(), torch.ones(2, 5).double())
    with pytest.raises(MethodError, match="got attention between 3 tokens, no grid over 4 x 4 pixels"):
        method.attribute(Odd(), pictures(1), 0)


class Odd(nn.Module):
    """Tokens that are no places."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)[:, :3]
        return (scores(tokens, tokens).softmax(-1) @ tokens).mean(1)


class Shrinking(Odd):
    """Fewer tokens in the second layer than in the first."""

    def forward(self, x: Tensor) -> Tensor:
        many, few = x.flatten(2).transpose(1, 2), x[:, :, ::2, ::2].flatten(2).transpose(1, 2)
        many = scores(many, many).softmax(-1) @ many
        return (scores(few, few).softmax(-1) @ few).mean(1) + 0 * many.mean(1)


def test_bad_choices(model):
    cases = [
        (
            Attention("features.first"),
            LayerError,
            "`layer`: got 'features.first', in which no attention ran; exp",
        ),
        (
            Attention(head=3),
            MethodError,
            "`head`: got 3; expected 0 for the mean, or a head of",
        ),
        (AttentionRollout(start_layer=2), MethodError, "`start_layer`: got 2; expected a layer from 0 to 1."),
        (GradientRollout(start_layer=5), MethodError, "`start_layer`: got 5; expected a layer from 0 to 1."),
    ]
    for method, error, text in cases:
        with pytest.raises(error, match=re.escape(text)):
            method.attribute(model, X, 1)
    with pytest.raises(MethodError, match="`query`: got 'class_token' for a model without one"):
        Attention(query="class_token").attribute(Pooled(), pictures(1), 1)
    with pytest.raises(MethodError, match="got 16 tokens in '' and 4 above it; expected the same tokens"):
        AttentionRollout().attribute(Shrinking(), pictures(1), 1)
    with pytest.raises(TargetError, match="which does not depend on the model's attention"):
        GradientRollout().attribute(model, X, lambda out: out.detach()[:, 0])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Attention(head=-1), "`head`: got -1; expected an integer of at least 0."),
        (lambda: Attention(query="last"), "`query`: got 'last'; expected one of auto, class_token, mean."),
        (lambda: AttentionRollout(residual=2), "`residual`: got 2; expected a number, from 0 to 1."),
        (lambda: AttentionRollout(discard=-0.1), "`discard`: got -0.1; expected a number, from 0 to 0.99."),
        (lambda: AttentionRollout(fusion="sum"), "`fusion`: got 'sum'; expected one of mean, max, min."),
        (
            lambda: GradientRollout(start_layer=0.5),
            "`start_layer`: got 0.5; expected an integer",
        ),
    ],
)
def test_bad_parameters(make, text):
    with unchecked(), pytest.raises(MethodError, match=re.escape(text)):
        make()


class TestOtherPackages:
    """Vision transformers with random weights: every method runs, and the weights are the package's own."""

    @staticmethod
    def check(model: nn.Module, n_blocks: int, weights: Tensor | None = None, prefix: int = 1) -> None:
        x = pictures(2, 3, 32)
        model = model.double().eval()
        for method in (*METHODS, AttentionRollout(start_layer=n_blocks - 1)):
            made = method.attribute(model, x, 1)
            assert made.grid == (4, 4)
            assert made.values.any()
            one = method.attribute(model, x[1:], 1)
            assert relative(made.values[1:], one.values) < 1e-10
        with pytest.raises(MethodError, match=f"expected a layer from 0 to {n_blocks - 1}"):
            AttentionRollout(start_layer=n_blocks).attribute(model, x, 1)
        if weights is not None:
            own = weights.mean(1)[:, 0, prefix:].reshape(2, 1, 4, 4)
            own = torch.nn.functional.interpolate(own, size=(32, 32), mode="bilinear")
            assert relative(Attention().attribute(model, x, 1).values, own) < 1e-6

    def test_torchvision(self, torchvision):
        model = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5)
        nn.init.normal_(model.heads.head.weight)
        self.check(model, 2)

    @pytest.mark.slow
    @pytest.mark.parametrize("fused", [False, True])
    def test_timm(self, torchvision, fused):
        timm = pytest.importorskip("timm")
        options = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
        plain_and_distilled = (
            timm.models.vision_transformer.VisionTransformer,
            timm.models.deit.VisionTransformerDistilled,
        )
        for cls in plain_and_distilled:
            model = cls(**options, num_classes=5)
            for block in model.blocks:
                assert isinstance(block.attn.fused_attn, bool)
                block.attn.fused_attn = fused
            self.check(model, 2)

    @pytest.mark.slow
    @pytest.mark.parametrize("way", ["eager", "sdpa"])
    def test_hugging_face(self, way):
        transformers = pytest.importorskip("transformers")
        options = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
        config = transformers.ViTConfig(image_size=32, patch_size=8, intermediate_size=32, **options)
        config._attn_implementation = way
        model = transformers.ViTForImageClassification(config)
        own = None
        if way == "eager":
            x = pictures(2, 3, 32)
            own = model.double().eval()(x, output_attentions=True).attentions[-1].detach()
        self.check(model, 2, own)

    @pytest.mark.slow
    def test_windows_of_swin(self, torchvision):
        transformers = pytest.importorskip("transformers")
        timm = pytest.importorskip("timm")
        by_timm = timm.models.swin_transformer.SwinTransformer(
            img_size=32,
            patch_size=2,
            window_size=4,
            embed_dim=8,
            depths=(1, 1),
            num_heads=(1, 1),
            num_classes=3,
        )
        by_torchvision = torchvision.models.SwinTransformer([2, 2], 8, [1, 1], [1, 1], [4, 4], num_classes=3)
        config = transformers.SwinConfig(
            image_size=32, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[1, 1], window_size=4
        )
        for model in (by_timm, by_torchvision, transformers.SwinForImageClassification(config)):
            for method in METHODS[1:]:
                with pytest.raises(MethodError, match=r"got attention within windows in '.*Choose Grad-CAM"):
                    method.attribute(model.double().eval(), pictures(2, 3, 32), 1)
