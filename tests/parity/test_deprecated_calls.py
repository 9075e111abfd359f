"""Forms of calls that PyTorch has deprecated and still accepts: the same results, errors and warnings."""

import pytest

import lampas

from .one_line import every_warning, run

torch = pytest.importorskip("torch")

LINES = """
torch.Tensor(2,3).shape
torch.Tensor([1,2,3])
torch.Tensor([[1.,2],[3,4]])
torch.Tensor((1,2))
torch.Tensor(torch.Size([2,3])).shape
torch.Tensor(torch.zeros(2))
torch.Tensor(5).shape
torch.Tensor(1.5)
torch.Tensor(np.array([1.,2.])) if False else 0
import numpy as np;; torch.Tensor(np.array([1.,2.]))
import numpy as np;; torch.Tensor(np.array([1,2]))
import numpy as np;; torch.FloatTensor(np.array([1.,2.]))
import numpy as np;; torch.LongTensor(np.array([1,2]))
import numpy as np;; torch.LongTensor(np.array([1.,2.]))
torch.Tensor("a")
torch.Tensor(None)
torch.Tensor(range(3))
torch.Tensor(True)
torch.FloatTensor([1,2])
torch.FloatTensor(2,3).shape
torch.FloatTensor([[1,2],[3,4]])
torch.FloatTensor((1.,2.))
torch.FloatTensor(torch.zeros(2))
torch.FloatTensor(torch.zeros(2).double())
torch.FloatTensor([1,2]).dtype
torch.DoubleTensor([1,2])
torch.LongTensor([1.7,2])
torch.LongTensor([1,2])
torch.IntTensor([1])
torch.ShortTensor([1])
torch.ByteTensor([1,0])
torch.CharTensor([1])
torch.BoolTensor([1,0,True])
torch.HalfTensor([1.])
torch.BFloat16Tensor([1.])
torch.LongTensor(2).dtype
torch.LongTensor(1.5)
torch.FloatTensor(1.5)
torch.FloatTensor("a")
torch.FloatTensor([1.], device="cpu")
torch.FloatTensor(2, device="cuda")
torch.FloatTensor(range(3))
torch.FloatTensor(x for x in [1.])
torch.FloatTensor.dtype
torch.FloatTensor.is_cuda
torch.FloatTensor.__name__
torch.FloatTensor
type(torch.FloatTensor([1.]))
isinstance(torch.zeros(1), torch.FloatTensor)
isinstance(torch.zeros(1), torch.DoubleTensor)
isinstance(torch.zeros(1,dtype=torch.int64), torch.LongTensor)
torch.tensor([1.5]).type("torch.LongTensor")
torch.tensor([1.5]).type(torch.LongTensor)
torch.tensor([1]).type(torch.FloatTensor)
torch.tensor([1]).type('torch.FloatTensor')
torch.tensor([1]).type(torch.float64)
torch.tensor([1]).type('torch.NothingTensor')
torch.tensor([1]).type(torch.Tensor)
torch.tensor([1.5]).type(int)
torch.tensor([1]).type()
torch.tensor([1.]).type(dtype=torch.int32)
torch.zeros(2).type_as(torch.zeros(1).long())
from torch.autograd import Variable;; Variable(torch.ones(2), requires_grad=True) if False else 0
torch.autograd.Variable(torch.ones(2), requires_grad=True)
torch.autograd.Variable(torch.ones(2))
isinstance(torch.ones(2), torch.autograd.Variable)
torch.autograd.Variable(torch.ones(2)).data
torch.autograd.Variable([1.])
torch.addcmul(torch.ones(2), torch.ones(2), torch.ones(2), value=2)
torch.addmm(torch.ones(2,2), 1, 2, torch.ones(2,2), torch.ones(2,2))
torch.addmv(torch.ones(2), 2, torch.ones(2,2), torch.ones(2))
torch.nn.MSELoss(size_average=False)(torch.ones(2,2), torch.zeros(2,2))
torch.nn.MSELoss(reduce=False)(torch.ones(2), torch.zeros(2))
torch.nn.MSELoss(True)(torch.ones(2), torch.zeros(2))
torch.nn.CrossEntropyLoss(size_average=True)(torch.ones(2,3), torch.tensor([0,1]))
torch.nn.CrossEntropyLoss(None, False)(torch.ones(2,3), torch.tensor([0,1]))
torch.nn.functional.cross_entropy(torch.ones(2,3), torch.tensor([0,1]), size_average=False)
torch.nn.functional.nll_loss(torch.ones(2,3), torch.tensor([0,1]), reduce=False)
torch.nn.functional.mse_loss(torch.ones(2), torch.zeros(2), size_average=False)
torch.nn.functional.mse_loss(torch.ones(2), torch.zeros(2), False)
torch.nn.functional.l1_loss(torch.ones(2), torch.zeros(2), reduce=False)
torch.nn.functional.smooth_l1_loss(torch.ones(2), torch.zeros(2), size_average=False)
torch.nn.functional.binary_cross_entropy(torch.ones(2)*.5, torch.zeros(2), size_average=False)
torch.nn.functional.binary_cross_entropy_with_logits(torch.ones(2), torch.zeros(2), reduce=False)
torch.nn.functional.kl_div(torch.ones(2), torch.ones(2), size_average=False)
torch.nn.functional.kl_div(torch.ones(2), torch.ones(2))
torch.nn.KLDivLoss()(torch.ones(2,2), torch.ones(2,2))
torch.nn.functional.poisson_nll_loss(torch.ones(2), torch.ones(2), size_average=False)
torch.nn.functional.hinge_embedding_loss(torch.ones(2), torch.ones(2), size_average=False)
torch.nn.functional.soft_margin_loss(torch.ones(2), torch.ones(2), reduce=False)
torch.nn.functional.multilabel_margin_loss(torch.ones(1,2), torch.tensor([[0,-1]]), size_average=False)
torch.nn.functional.multi_margin_loss(torch.ones(1,2), torch.tensor([0]), size_average=False)
torch.nn.functional.margin_ranking_loss(torch.ones(2), torch.ones(2), torch.ones(2), size_average=False)
torch.nn.functional.cosine_embedding_loss(torch.ones(2,2), torch.ones(2,2), torch.ones(2), size_average=False)
torch.nn.functional.triplet_margin_loss(torch.ones(2,2), torch.ones(2,2), torch.ones(2,2), size_average=False)
torch.nn.BCELoss(size_average=False).reduction
torch.nn.NLLLoss(size_average=False, reduce=True).reduction
torch.nn.L1Loss(reduce=False).reduction
torch.nn.BCEWithLogitsLoss(size_average=False).reduction
torch.nn.SmoothL1Loss(size_average=False).reduction
torch.nn.init.xavier_uniform(torch.zeros(2,2)).shape
torch.nn.init.xavier_normal(torch.zeros(2,2)).shape
torch.nn.init.kaiming_uniform(torch.zeros(2,2)).shape
torch.nn.init.kaiming_normal(torch.zeros(2,2)).shape
torch.nn.init.uniform(torch.zeros(2,2)).shape
torch.nn.init.normal(torch.zeros(2,2)).shape
torch.nn.init.constant(torch.zeros(2,2), 3)
torch.nn.init.orthogonal(torch.zeros(2,2)).shape
torch.nn.init.eye(torch.zeros(2,2))
torch.nn.init.dirac(torch.zeros(1,1,1))
torch.nn.init.sparse(torch.zeros(2,2), .5).shape
torch.nn.functional.tanh(torch.zeros(1))
torch.nn.functional.sigmoid(torch.zeros(1))
torch.nn.functional.softmax(torch.zeros(2,2))
torch.nn.functional.softmax(torch.zeros(2))
torch.nn.functional.softmax(torch.zeros(2,2,2)).shape
torch.nn.functional.log_softmax(torch.zeros(2,2))
torch.nn.functional.softmin(torch.zeros(2,2))
torch.nn.Softmax()(torch.zeros(2,2))
torch.nn.LogSoftmax()(torch.zeros(2,2))
torch.nn.Softmin()(torch.zeros(2,2))
torch.softmax(torch.zeros(2,2))
torch.zeros(2,2).softmax()
torch.nn.functional.gumbel_softmax(torch.zeros(2,2), eps=1e-3).shape
torch.nn.UpsamplingNearest2d(scale_factor=2)(torch.zeros(1,1,2,2)).shape
torch.nn.UpsamplingBilinear2d(scale_factor=2)(torch.zeros(1,1,2,2)).shape
torch.nn.UpsamplingBilinear2d(size=(3,3))(torch.arange(4.).view(1,1,2,2))
torch.nn.functional.upsample(torch.zeros(1,1,2,2), scale_factor=2).shape
torch.nn.functional.upsample(torch.zeros(1,1,2,2), scale_factor=2, mode="bilinear").shape
torch.nn.functional.upsample_nearest(torch.zeros(1,1,2,2), scale_factor=2).shape
torch.nn.functional.upsample_bilinear(torch.zeros(1,1,2,2), scale_factor=2).shape
torch.nn.functional.interpolate(torch.zeros(1,1,2,2), scale_factor=2, mode="bilinear").shape
torch.nn.functional.grid_sample(torch.zeros(1,1,2,2), torch.zeros(1,2,2,2)).shape
torch.nn.functional.affine_grid(torch.zeros(1,2,3), (1,1,2,2)).shape
torch.nn.utils.clip_grad_norm([torch.nn.Parameter(torch.ones(2))], 1.)
p=torch.nn.Parameter(torch.ones(2));; p.grad=torch.ones(2);; torch.nn.utils.clip_grad_norm([p], 1.)
torch.nn.utils.clip_grad_norm_(torch.nn.Parameter(torch.ones(2)), 1.)
torch.nn.functional.dropout2d(torch.ones(2,3), 0.).shape
torch.nn.functional.dropout3d(torch.ones(2,3), 0.).shape
torch.nn.functional.dropout2d(torch.ones(2,3,4), 0.).shape
torch.range(0, 3)
torch.range(0, 3, 0.5)
torch.range(1, 4).dtype
torch.norm(torch.ones(2,2))
torch.norm(torch.ones(2,2), 1)
torch.norm(torch.ones(2,2), p=2, dim=1)
torch.norm(torch.ones(2,2), "fro")
torch.norm(torch.ones(2,2), "nuc")
torch.norm(torch.ones(2,2), dim=0, keepdim=True)
torch.norm(torch.ones(2,2), float("inf"))
torch.norm(torch.ones(2,2), 2, 1, True)
torch.ones(2).norm(2)
torch.ones(2,2).norm(p=1, dim=(0,1))
torch.zeros(2).new(3).shape
torch.zeros(2).new([1,2])
torch.zeros(2).new((1,2))
torch.zeros(2).new()
torch.zeros(2).new(2,3).shape
torch.zeros(2).new(torch.Size([2])).shape
torch.zeros(2).new(torch.ones(2))
torch.zeros(2).long().new([1])
torch.zeros(2).new(1.5)
torch.zeros(2).new_tensor([1,2])
torch.zeros(2).new_tensor(torch.ones(2))
torch.tensor(torch.ones(2))
torch.zeros(2).new_tensor([1,2], requires_grad=True)
torch.ones(2, requires_grad=True).data
torch.ones(2).is_same_size(torch.ones(2))
torch.is_same_size(torch.ones(2), torch.ones(3))
torch.set_default_tensor_type("torch.LongTensor")
torch.set_default_dtype(torch.float64);; x=torch.Tensor(2);; torch.set_default_dtype(torch.float32);; x.dtype
torch.manual_seed(0);; [len(s) for s in torch.utils.data.random_split(range(10), [0.7,0.3])]
torch.manual_seed(0);; [list(s) for s in torch.utils.data.random_split(range(10), [7,3])]
torch.utils.data.random_split(range(10), [0.7,0.7])
torch.utils.data.random_split(range(10), [7,4])
torch.zeros(2,2).resize(4)
torch.zeros(2,2).resize_as_(torch.zeros(3)).shape
torch.gesv(torch.eye(2),torch.eye(2))
torch.symeig(torch.eye(2))
torch.eig(torch.eye(2))
torch.lstsq(torch.eye(2),torch.eye(2))
torch.solve(torch.eye(2),torch.eye(2))
torch.matrix_rank(torch.eye(2))
torch.cholesky(torch.eye(2))
torch.qr(torch.eye(2))
torch.svd(torch.eye(2)).S
torch.triangular_solve(torch.eye(2),torch.eye(2)).solution
torch.lu(torch.eye(2))[1]
torch.ger(torch.ones(2),torch.ones(2))
torch.chain_matmul(torch.eye(2),torch.eye(2))
torch.stft(torch.ones(16), 4)
torch.stft(torch.ones(16), 4, return_complex=True).shape
torch.stft(torch.ones(16), 4, return_complex=False).shape
torch.stft(torch.ones(16), 4, window=torch.ones(4), return_complex=True).shape
torch.istft(torch.ones(3,5,2), 4)
torch.rfft(torch.ones(2), 1)
torch.meshgrid(torch.arange(2), torch.arange(3))[0]
torch.div(torch.tensor([3]), 2)
torch.tensor([3]) // 2
torch.max(torch.ones(2), torch.zeros(2))
torch.zeros(2,3,4).mT.shape
torch.tensor([1,0],dtype=torch.uint8)
torch.ones(2).masked_fill(torch.tensor([1,0],dtype=torch.uint8), 0)
torch.nn.functional.cross_entropy(torch.ones(1,2), torch.ones(1,2))
torch.nn.functional.mse_loss(torch.ones(2,1), torch.ones(2))
torch.nn.functional.l1_loss(torch.ones(2,1), torch.ones(2))
torch.nn.functional.smooth_l1_loss(torch.ones(2,1), torch.ones(2))
torch.nn.functional.huber_loss(torch.ones(2,1), torch.ones(2))
torch.nn.functional.binary_cross_entropy(torch.ones(2,1), torch.ones(2))
torch.nn.functional.instance_norm(torch.ones(1,2,3)).shape
torch.nn.functional.hardtanh(torch.ones(1), 0, 2)
torch.nn.Hardtanh(min_value=-2, max_value=2)(torch.ones(1))
torch.nn.Hardtanh(min_val=-2, max_val=2)
torch.nn.functional.elu_(torch.ones(1))
torch.nn.functional.relu_(torch.ones(1))
torch.nn.functional.leaky_relu_(torch.ones(1))
torch.nn.functional.threshold(torch.ones(1), 2, 0)
torch.nn.functional.adaptive_avg_pool2d(torch.ones(1,2,2), 1).shape
torch.nn.functional.max_pool2d(torch.ones(1,1,4,4), 2, return_indices=True)[1].shape
torch.nn.functional.conv_tbc(torch.ones(3,1,2), torch.ones(1,2,2), torch.zeros(2)).shape
torch.nn.NLLLoss2d()(torch.zeros(1,2,1,1), torch.zeros(1,1,1).long())
torch.nn.NLLLoss2d
torch.nn.functional.nll_loss2d
torch.ones(1).item()
torch.ones(1).tolist()
torch.ones(2).cpu().data.numpy()
torch.ones(1).data[0]
torch.tensor(1.)[0]
torch.ones(2).detach_()
torch.nn.functional.pad(torch.ones(1,1,2), (1,1), "replicate")
torch.nn.Parameter(torch.ones(1).long())
torch.utils.data.dataloader.default_collate([torch.ones(1)])
torch.utils.data.sampler.SequentialSampler([1])
torch.utils.data.SequentialSampler(data_source=[1,2])
torch.utils.data.RandomSampler([1,2], replacement=False, num_samples=1)
torch.utils.data.Sampler(None)
torch.optim.SGD([torch.ones(1,requires_grad=True)]).defaults["lr"]
torch.Tensor.ndimension(torch.ones(2,2))
torch.ones(2,2).dim()
torch.ones(2).view(torch.int32)
torch.ones(4).view_as(torch.ones(2,2)).shape
torch.ones(2).expand_as(torch.ones(3,2)).shape
torch.ones(2).mul_(2).div_(2)
torch.Tensor.__module__
torch.ones(1).byte()
~torch.tensor([1],dtype=torch.uint8)
torch.ones(2) == 1
1 - torch.tensor([True])
-torch.tensor([True])
torch.tensor([True]) - torch.tensor([True])
torch.nn.functional.one_hot(torch.tensor([1]))
torch.cumsum(torch.ones(2))
torch.max(torch.ones(2,2), axis=0).values
torch.mean(torch.ones(2,2), axis=1, keepdims=True)
torch.normal(mean=torch.zeros(2), std=0.)
torch.bmm(torch.ones(1,2,2), torch.ones(1,2,2), deterministic=True)
torch.sort(torch.tensor([2,1]), descending=True)[0]
torch.sort(torch.tensor([2,1]), 0, True)[0]
torch.split(torch.ones(4), split_size_or_sections=2)
torch.std(torch.ones(4), True)
torch.std(torch.ones(4,2), 0, False)
torch.var(torch.ones(4), unbiased=False)
torch.clamp(torch.ones(2), min=2)
torch.clamp(torch.ones(2), 0, .5)
torch.ones(2).clamp(max=0)
torch.cross(torch.ones(2,3), torch.ones(2,3))
torch.ones(2).nonzero()
torch.nn.functional.embedding(torch.tensor([0]), torch.ones(2,2), sparse=False)
torch.nn.LSTM(2,2,dropout=.5).num_layers
torch.nn.modules.loss._Loss(size_average=False).reduction
torch.zeros(4).resize_as(torch.zeros(2,2))
torch.zeros(4).resize(2,2)
torch.autograd.Variable(torch.ones(2),True,True)
torch.FloatTensor([1],dtype=torch.float32)
torch.FloatTensor(2,device='cpu').shape
torch.FloatTensor(size=(2,)).shape
torch.FloatTensor(2.0,3)
torch.FloatTensor(torch.tensor(3))
torch.FloatTensor(None)
torch.FloatTensor({})
torch.FloatTensor(set([1]))
torch.zeros(1).new('a')
torch.zeros(1).new(2,device='cpu').shape
torch.zeros(1).new(range(2))
torch.zeros(1).new(torch.ones(2).double())
torch.linalg.qr(torch.eye(2))
torch.linalg.slogdet(torch.eye(2))
torch.linalg.lu(torch.eye(2))
torch.linalg.eigh(torch.eye(2))
torch.linalg.lstsq(torch.eye(2), torch.eye(2)).solution
torch.linalg.svd(torch.eye(2)).S
torch.slogdet(torch.eye(2))
torch.frexp(torch.ones(2))
torch.eye(2).geqrf()
"""


@pytest.mark.parametrize("line", LINES.strip().splitlines())
def test_same_answer(line):
    with every_warning(lampas, torch):
        assert run(lampas, line) == run(torch, line)
