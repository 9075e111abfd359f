"""Ops and modules of vision networks: boxes and their overlaps, features of regions, losses, blocks of layers."""

from lampas.vision.ops.boxes import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    complete_box_iou,
    distance_box_iou,
    generalized_box_iou,
    masks_to_boxes,
    nms,
    remove_small_boxes,
)
from lampas.vision.ops.deform_conv import DeformConv2d, deform_conv2d
from lampas.vision.ops.drop_block import DropBlock2d, DropBlock3d, drop_block2d, drop_block3d
from lampas.vision.ops.feature_pyramid_network import FeaturePyramidNetwork, MultiScaleRoIAlign
from lampas.vision.ops.losses import (
    complete_box_iou_loss,
    distance_box_iou_loss,
    generalized_box_iou_loss,
    sigmoid_focal_loss,
)
from lampas.vision.ops.misc import (
    MLP,
    Conv2dNormActivation,
    Conv3dNormActivation,
    FrozenBatchNorm2d,
    Permute,
    SqueezeExcitation,
)
from lampas.vision.ops.roi import (
    PSRoIAlign,
    PSRoIPool,
    RoIAlign,
    RoIPool,
    ps_roi_align,
    ps_roi_pool,
    roi_align,
    roi_pool,
)
from lampas.vision.ops.stochastic_depth import StochasticDepth, stochastic_depth

__all__ = [
    "batched_nms",
    "box_area",
    "box_convert",
    "box_iou",
    "clip_boxes_to_image",
    "complete_box_iou",
    "distance_box_iou",
    "generalized_box_iou",
    "masks_to_boxes",
    "nms",
    "remove_small_boxes",
    "DeformConv2d",
    "deform_conv2d",
    "DropBlock2d",
    "DropBlock3d",
    "drop_block2d",
    "drop_block3d",
    "FeaturePyramidNetwork",
    "MultiScaleRoIAlign",
    "complete_box_iou_loss",
    "distance_box_iou_loss",
    "generalized_box_iou_loss",
    "sigmoid_focal_loss",
    "MLP",
    "Conv2dNormActivation",
    "Conv3dNormActivation",
    "FrozenBatchNorm2d",
    "Permute",
    "SqueezeExcitation",
    "PSRoIAlign",
    "PSRoIPool",
    "RoIAlign",
    "RoIPool",
    "ps_roi_align",
    "ps_roi_pool",
    "roi_align",
    "roi_pool",
    "StochasticDepth",
    "stochastic_depth",
]
