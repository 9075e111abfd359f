"""gradcheck passes right gradients and catches wrong ones."""

import pytest

import lampas
from lampas.autograd import Function, gradcheck, gradgradcheck
from lampas.autograd.gradcheck import GradcheckError


def leaf(*shape, dtype=lampas.float64):
    return lampas.randn(shape, dtype=dtype).requires_grad_()


@pytest.fixture(autouse=True)
def seeded():
    lampas.manual_seed(0)


class WrongGradient(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 2.01 * x


class WrongSecond(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3 * (x * x).detach()


@pytest.mark.parametrize("fast_mode", [False, True])
class TestBothModes:
    def test_right(self, fast_mode):
        assert gradcheck(lampas.sin, leaf(3), fast_mode=fast_mode)
        assert gradcheck(lambda a, b: (a @ b, a.sum()), (leaf(2, 3), leaf(3, 2)), fast_mode=fast_mode)
        assert gradgradcheck(lampas.exp, leaf(3), fast_mode=fast_mode)
        assert gradgradcheck(
            lambda a, b: a * b, (leaf(2), leaf(2)), gen_non_contig_grad_outputs=True, fast_mode=fast_mode
        )

    def test_complex(self, fast_mode):
        z = leaf(3, dtype=lampas.complex128)
        assert gradcheck(lambda a: a * a.conj() + a * a, z, fast_mode=fast_mode)
        assert gradcheck(lampas.abs, z, fast_mode=fast_mode)

    def test_wrong(self, fast_mode):
        with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
            gradcheck(WrongGradient.apply, leaf(3), fast_mode=fast_mode)
        assert gradcheck(WrongGradient.apply, leaf(3), raise_exception=False, fast_mode=fast_mode) is False
        assert gradcheck(WrongSecond.apply, leaf(3), fast_mode=fast_mode)
        assert not gradgradcheck(WrongSecond.apply, leaf(3), raise_exception=False, fast_mode=fast_mode)

    def test_inputs_are_left_as_they_were(self, fast_mode):
        x = leaf(3)
        before = x.tolist()
        gradcheck(lampas.sin, x, fast_mode=fast_mode)
        assert x.tolist() == before and x.grad is None


def test_shapes():
    assert gradcheck(lampas.sin, leaf()) and gradcheck(lambda a: a * 2, leaf(0)) and gradcheck(lambda a: a[:0], leaf(3))
    assert gradcheck(lambda a: a.t() @ a, leaf(2, 3).detach().t().requires_grad_())


def test_a_lost_graph_is_noticed():
    with pytest.raises(GradcheckError, match="depend on input 0"):
        gradcheck(lambda a: a.detach() * 2, leaf(3))
    assert gradcheck(lambda a: lampas.ones(3), leaf(3))


def test_noise_in_backward_is_noticed():
    class Noisy(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            return grad + lampas.rand_like(grad) * 1e-9

    with pytest.raises(GradcheckError, match="not reentrant"):
        gradcheck(Noisy.apply, leaf(2))
    assert gradcheck(Noisy.apply, leaf(2), nondet_tol=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match="at least one input that requires gradients"):
        gradcheck(lampas.sin, lampas.ones(3))
    with pytest.raises(RuntimeError, match="stride 0"):
        gradcheck(lampas.sin, lampas.ones(1, dtype=lampas.float64).expand(3).requires_grad_())
    with pytest.raises(RuntimeError, match="no forward mode"):
        gradcheck(lampas.sin, leaf(1), check_forward_ad=True)
    with pytest.warns(UserWarning, match="precision of float64"):
        gradcheck(lambda a: a * 2, leaf(1, dtype=lampas.float32), atol=1.0, rtol=1.0)
