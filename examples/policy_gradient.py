"""Policy gradient: a network learns to balance a pole on a cart by trial and error.

Nobody tells it what is right. It pushes the cart left or right at random, each with the probability that the network
gives; what was done before a long time upright is made more probable, what was done before a fall less (REINFORCE,
Williams 1992). The world is that of Barto, Sutton and Anderson (1983), sixteen copies of it side by side in tensors.

    python examples/policy_gradient.py         # then look at runs/policy_gradient/learning.png

It needs matplotlib.
"""

import argparse
import math
from pathlib import Path

import torch
import torch.nn as nn
from pictures import draw_curves

GOAL = 200  # a game ends after so many moves, at the latest


class CartPoles:
    """Carts on a track, each with a pole on it; a state is (place, speed, angle, speed of the angle)."""

    def __init__(self, count):
        self.state = torch.empty(count, 4).uniform_(-0.05, 0.05)

    def step(self, push):
        """Push each cart left (0) or right (1) for 0.02 s; gives back which poles still stand, on the track."""
        gravity, pole, total, half, dt = 9.8, 0.1, 1.1, 0.5, 0.02  # mass of the pole, of all; half the pole's length
        place, speed, angle, turning = self.state.unbind(1)
        force = 20.0 * push - 10.0
        sin, cos = angle.sin(), angle.cos()
        inertia = (force + pole * half * turning**2 * sin) / total
        spin = (gravity * sin - cos * inertia) / (half * (4 / 3 - pole * cos**2 / total))
        acceleration = inertia - pole * half * spin * cos / total
        self.state = torch.stack(
            [place + dt * speed, speed + dt * acceleration, angle + dt * turning, turning + dt * spin], dim=1
        )
        return (self.state[:, 0].abs() < 2.4) & (self.state[:, 2].abs() < 12 * math.pi / 180)


def play(policy, count):
    """Play `count` games at once. All results are [moves, count]: log-probabilities of the moves, entropies, alive."""
    world = CartPoles(count)
    alive = torch.ones(count, dtype=torch.bool)
    log_probs, entropies, lived = [], [], []
    for _ in range(GOAL):
        log_p = policy(world.state).log_softmax(dim=1)
        push = torch.multinomial(log_p.exp(), num_samples=1)
        log_probs.append(log_p.gather(1, push).squeeze(1))
        entropies.append(-(log_p.exp() * log_p).sum(1))
        lived.append(alive)
        alive = alive & world.step(push.squeeze(1))
        if not alive.any():
            break
    return torch.stack(log_probs), torch.stack(entropies), torch.stack(lived).float()


def rewards_to_come(lived, discount=0.99):
    """For each move the sum of all later rewards (one for each move that the pole stood), later ones counting less."""
    total, totals = torch.zeros(lived.shape[1]), []
    for reward in lived.flip(0):
        total = reward + discount * total
        totals.append(total)
    return torch.stack(totals).flip(0)


def main():
    parser = argparse.ArgumentParser(description="Balance a pole, learned by trial and error.")
    parser.add_argument("--steps", type=int, default=30, help="learning steps of 16 games each (default: 30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/policy_gradient", help="folder (default: runs/policy_gradient)")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_default_dtype(torch.float64)  # a pole on its tip makes the smallest difference large

    policy = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2))
    optimizer = torch.optim.Adam(policy.parameters(), lr=2e-2)
    print(f"16 games in each of {args.steps} steps; a game is won when the pole stands for {GOAL} moves")

    lengths = []
    for step in range(args.steps):
        log_probs, entropies, lived = play(policy, 16)
        returns = rewards_to_come(lived)
        # Better or worse than usual? Usual is the mean over all moves that were really made.
        made = lived.bool()
        advantages = (returns - returns[made].mean()) / (returns[made].std() + 1e-6)
        loss = -((log_probs * advantages)[made]).mean() - 0.01 * entropies[made].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        lengths.append(lived.sum(0).mean().item())
        if step < 20:
            print(f"step {step:3}  loss {loss.item():#.5g}  moves {lengths[-1]:.2f}")
        elif (step + 1) % 10 == 0:
            print(f"step {step + 1}/{args.steps}: the pole stood for {lengths[-1]:.1f} moves")

    with torch.no_grad():
        _, _, lived = play(policy, 100)
    torch.save(policy.state_dict(), out / "policy.pt")
    picture = out / "learning.png"
    words = f"moves until the pole fell, mean of 16 games; a game ends after {GOAL}"
    draw_curves(picture, "Learning to balance", words, range(args.steps), {"moves": lengths}, xlabel="learning step")
    moves, won = lived.sum(0).mean(), (lived.sum(0) == GOAL).float().mean()
    print(f"\nthe pole stood for {lengths[0]:.0f} moves before, {moves:.0f} after learning; {won:.0%} of 100 games won")
    print(f"curve in {picture}, policy in {out / 'policy.pt'}")


if __name__ == "__main__":
    main()
