"""lampas.vision.models: shapes, names, weights, and what wrong arguments are told."""

import pickle
import re

import pytest

import lampas
from lampas import hub, nn
from lampas.vision import models
from lampas.vision.models._utils import IntermediateLayerGetter


# small ones of each family, on the smallest pictures they take
@pytest.mark.parametrize(
    ("name", "size", "parameters"),
    [
        ("resnet18", 32, 11_689_512),
        ("squeezenet1_1", 32, 1_235_496),
        ("mobilenet_v2", 32, 3_504_872),
        ("mobilenet_v3_small", 32, 2_542_856),
        ("shufflenet_v2_x0_5", 32, 1_366_792),
        ("mnasnet0_5", 32, 2_218_512),
        ("efficientnet_b0", 32, 5_288_548),
        ("regnet_x_400mf", 32, 5_495_976),
        ("densenet121", 32, 7_978_856),
        ("swin_t", 32, 28_288_354),
        ("convnext_tiny", 32, 28_589_128),
    ],
)
def test_published_sizes(name, size, parameters):
    model = models.get_model(name)
    # the counts that the papers' authors give with the weights
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert models.get_model_weights(name).DEFAULT.meta["num_params"] == parameters
    x = lampas.rand(2, 3, size, size)
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.eval()(x).shape == (2, 1000)


def test_a_model_learns():
    lampas.manual_seed(0)
    model = models.resnet18(num_classes=2)
    optimizer = lampas.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = lampas.randn(8, 3, 32, 32)
    y = lampas.arange(8) % 2
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_auxiliary_classifiers():
    google = models.googlenet(init_weights=False, num_classes=3)
    out = google(lampas.rand(2, 3, 64, 64))
    assert out._fields == ("logits", "aux_logits2", "aux_logits1")
    assert google.eval()(lampas.rand(1, 3, 64, 64)).shape == (1, 3)
    inception = models.inception_v3(init_weights=False, aux_logits=False, num_classes=3)
    assert inception.AuxLogits is None
    assert inception(lampas.rand(2, 3, 75, 75)).shape == (2, 3)
    with pytest.warns(FutureWarning, match="init_weights"):
        models.googlenet(num_classes=3)


def test_segmentation():
    model = models.segmentation.lraspp_mobilenet_v3_large(weights_backbone=None, num_classes=4)
    assert model.eval()(lampas.rand(1, 3, 40, 56))["out"].shape == (1, 4, 40, 56)
    model = models.segmentation.fcn_resnet50(weights_backbone=None, num_classes=2, aux_loss=True).eval()
    assert {name: tuple(y.shape) for name, y in model(lampas.rand(1, 3, 32, 32)).items()} == {
        "out": (1, 2, 32, 32),
        "aux": (1, 2, 32, 32),
    }


def test_vision_transformer_for_another_size():
    make = models.vision_transformer.VisionTransformer
    small = make(image_size=8, patch_size=4, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=3)
    large = make(image_size=16, patch_size=4, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=3)
    assert small(lampas.rand(2, 3, 8, 8)).shape == (2, 3)
    state = models.vision_transformer.interpolate_embeddings(16, 4, small.state_dict())
    large.load_state_dict(state)
    with pytest.raises(AssertionError, match="Wrong image height! Expected 8 but got 16!"):
        small(lampas.rand(1, 3, 16, 16))


def test_intermediate_layers():
    getter = IntermediateLayerGetter(models.resnet18(), {"layer1": "low", "layer2": "high"})
    assert "layer3" not in getter
    got = getter(lampas.rand(1, 3, 32, 32))
    assert [(name, tuple(y.shape)) for name, y in got.items()] == [("low", (1, 64, 8, 8)), ("high", (1, 128, 4, 4))]
    with pytest.raises(ValueError, match="return_layers are not present in model"):
        IntermediateLayerGetter(nn.Sequential(nn.ReLU()), {"1": "x"})


def test_feature_extractor():
    model = models.resnet18(num_classes=3).eval()
    x = lampas.rand(1, 3, 32, 32)
    body = models.feature_extraction.create_feature_extractor(
        model, {"layer1.0.relu": "first", "layer1.0.relu_1": "second", "layer4": "last", "fc": "out"}
    )
    got = body(x)
    assert list(got) == ["first", "second", "last", "out"]
    assert lampas.equal(got["out"], model(x))
    assert got["last"].shape == (1, 512, 1, 1)
    assert not lampas.equal(got["first"], got["second"])
    assert list(body.state_dict()) == list(model.state_dict())
    assert body.train().training and model.training
    with pytest.raises(ValueError, match="'layer9' is not present in model"):
        models.feature_extraction.create_feature_extractor(model, ["layer9"])
    with pytest.raises(ValueError, match="'fc_3' is not present in model: the calls"):
        models.feature_extraction.create_feature_extractor(model, ["fc_3"])(x.expand(2, 3, 32, 32))
    with pytest.raises(ValueError, match="either return_nodes"):
        models.feature_extraction.create_feature_extractor(model)


def test_names():
    assert {"alexnet", "resnet50", "vit_b_16", "fcn_resnet50"} <= set(models.list_models())
    assert models.list_models(include="*resnet1*", exclude=["wide*", "*101*", "resnet152"]) == ["resnet18"]
    assert "fcn_resnet50" not in models.list_models(models)
    assert "fcn_resnet50" in models.list_models(models.segmentation)
    assert models.get_model_builder("ResNet18") is models.resnet18
    with pytest.raises(ValueError, match="Unknown model resnet19"):
        models.get_model("resnet19")


def test_weights_and_their_transforms():
    weights = models.ResNet50_Weights.DEFAULT
    assert weights is models.ResNet50_Weights.IMAGENET1K_V2 is models.get_weight("ResNet50_Weights.IMAGENET1K_V2")
    assert repr(weights) == str(weights) == "ResNet50_Weights.IMAGENET1K_V2"
    assert pickle.loads(pickle.dumps(weights)) is weights
    assert len(weights.meta["categories"]) == 1000
    prepare = weights.transforms()
    assert prepare(lampas.zeros(3, 300, 400, dtype=lampas.uint8)).shape == (3, 224, 224)
    assert repr(prepare).startswith("ImageClassification(\n    crop_size=[224]\n    resize_size=[232]\n")
    with pytest.raises(ValueError, match="couldn't be retrieved"):
        models.get_weight("ResNet19_Weights.DEFAULT")
    with pytest.raises(ValueError, match="Invalid weight name provided: 'ResNet18_Weights'"):
        models.get_weight("ResNet18_Weights")


def test_loading_weights(monkeypatch):
    trained = models.shufflenet_v2_x0_5()
    asked = []

    def load(url, **options):
        asked.append(url)
        return trained.state_dict()

    monkeypatch.setattr(hub, "load_state_dict_from_url", load)
    model = models.shufflenet_v2_x0_5(weights="DEFAULT")
    assert re.fullmatch(r"https://download\.pytorch\.org/models/shufflenetv2_x0\.5-\w+\.pth", asked[0])
    assert lampas.equal(model.fc.weight, trained.fc.weight)
    with pytest.warns(UserWarning, match="pretrained"):
        models.shufflenet_v2_x0_5(pretrained=True)
    with pytest.warns(UserWarning, match="positional"):
        models.shufflenet_v2_x0_5(True)
    assert len(asked) == 3
    with pytest.warns(UserWarning, match="pretrained"):
        models.shufflenet_v2_x0_5(pretrained=False)
    assert len(asked) == 3


def test_old_names_in_files(monkeypatch):
    trained = models.densenet121()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", k): v for k, v in trained.state_dict().items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    monkeypatch.setattr(hub, "load_state_dict_from_url", lambda url, **options: old)
    model = models.densenet121(weights="IMAGENET1K_V1")
    assert lampas.equal(
        model.features.denseblock1.denselayer1.conv2.weight,
        next(v for k, v in old.items() if k.endswith("denseblock1.denselayer1.conv.2.weight")),
    )


def test_wrong_arguments():
    with pytest.raises(TypeError, match="expected ResNet18_Weights but received VGG16_Weights"):
        models.resnet18(weights=models.VGG16_Weights.DEFAULT)
    with pytest.raises(ValueError, match="'num_classes' expected value 1000 but got 5"):
        models.resnet18(weights=models.ResNet18_Weights.DEFAULT, num_classes=5)
    with pytest.raises(KeyError, match="IMAGENET"):
        models.resnet18(weights="IMAGENET")
    with pytest.raises(ValueError, match="'groups' expected value 32 but got 2"):
        models.resnext50_32x4d(groups=2)
    with pytest.raises(TypeError, match="num_clases"):
        models.resnet18(num_clases=5)
    with pytest.raises(ValueError, match="BasicBlock only supports groups=1"):
        models.resnet18(groups=2)
    with pytest.raises(ValueError, match="3-element tuple"):
        models.resnet50(replace_stride_with_dilation=[True])
    with pytest.raises(ValueError, match="Unsupported SqueezeNet version 2"):
        models.SqueezeNet("2")


def test_whole_model_through_a_file(tmp_path):
    model = models.mnasnet0_5(num_classes=3).eval()
    lampas.save(model, tmp_path / "m.pt")
    again = lampas.load(tmp_path / "m.pt", weights_only=False)
    x = lampas.rand(1, 3, 32, 32)
    assert lampas.equal(model(x), again(x))
