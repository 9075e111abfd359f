"""Forecasting a time series: how much power will a town use in the next two days?

The series is made up: hours of a day, days of a week, weather, and noise. A recurrent network reads the last week, day
by day, and says for each of the next 48 hours not one number but three: the middle of what it expects (the median) and
the ends of a range that should hold four of five true values. Such quantiles are learned with the pinball loss: Koenker
and Bassett, Regression Quantiles, 1978.

    python examples/forecasting.py             # then look at runs/forecasting/forecast.png

It needs matplotlib.
"""

import argparse
import math
from pathlib import Path

import torch
import torch.nn as nn
from pictures import draw_curves
from torch.utils.data import DataLoader, Dataset, Subset

DAY, WEEK = 24, 7 * 24
PAST, FUTURE = WEEK, 2 * DAY
QUANTILES = torch.tensor([0.1, 0.5, 0.9])


def make_series(days):
    """Power in MW for each hour."""
    hour = torch.arange(days * DAY)
    of_day, day = hour % DAY, hour // DAY
    daily = -torch.cos(2 * math.pi * (of_day - 3) / DAY) - 0.6 * torch.cos(4 * math.pi * (of_day - 1) / DAY)
    weekend = (day % 7 >= 5).float()
    # Weather: each day a little like the day before.
    shocks, weather = torch.randn(days), torch.zeros(days)
    for d in range(1, days):
        weather[d] = 0.8 * weather[d - 1] + 0.6 * shocks[d]
    load = 50 + 8 * daily * (1 - 0.5 * weekend) - 6 * weekend + 3 * weather[day]
    return load + 1.2 * torch.randn(len(hour))


class Windows(Dataset):
    """Every stretch of PAST + FUTURE hours: what came before, and what is to be foretold."""

    def __init__(self, series):
        self.series = series

    def __len__(self):
        return len(self.series) - PAST - FUTURE + 1

    def __getitem__(self, start):
        middle = start + PAST
        return self.series[start:middle], self.series[middle : middle + FUTURE]


class Forecaster(nn.Module):
    def __init__(self, mean, std, hidden=48):
        super().__init__()
        # Buffers are saved with the model but not learned.
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.gru = nn.GRU(DAY, hidden, batch_first=True)
        self.head = nn.Linear(hidden, FUTURE * len(QUANTILES))

    def forward(self, past):  # [N, PAST] -> [N, FUTURE, 3]
        scaled = (past - self.mean) / self.std
        days = scaled.view(len(past), -1, DAY)  # the network reads a day at a time
        _, state = self.gru(days)
        change = self.head(state[-1]).view(len(past), FUTURE, len(QUANTILES))
        # What it learns is the difference from the same hours a week ago.
        return (scaled[:, :FUTURE, None] + change) * self.std + self.mean


def pinball_loss(forecast, truth):
    """A value above the 0.9 quantile costs nine times as much as one below it; for 0.1 it is the other way round."""
    error = truth.unsqueeze(-1) - forecast
    return torch.maximum(QUANTILES * error, (QUANTILES - 1) * error).mean()


def main():
    parser = argparse.ArgumentParser(description="Forecast a made-up time series, with a range.")
    parser.add_argument("--epochs", type=int, default=6, help="times through the series (default: 6)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/forecasting", help="folder for what is written")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)

    series = make_series(days=3 * 364)
    # The last part of the series is held out: the future must not be known while learning.
    split = len(series) - 26 * WEEK
    training, held_out = Windows(series[:split]), Windows(series[split - PAST :])
    loader = DataLoader(training, batch_size=64, shuffle=True)
    model = Forecaster(series[:split].mean(), series[:split].std())
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs * len(loader))
    print(f"{len(series):,} hours; {len(training):,} windows to learn from, {len(held_out):,} held out")

    # One examination a day, at midnight.
    examination = DataLoader(Subset(held_out, range(0, len(held_out), DAY)), batch_size=512)
    past, future = next(iter(examination))
    step = 0
    for epoch in range(1, args.epochs + 1):
        model.train()
        for x, y in loader:
            loss = pinball_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if step < 20:
                print(f"step {step:3}  loss {loss.item():#.5g}")
            step += 1
        model.eval()
        with torch.no_grad():
            forecast = model(past)
        print(f"epoch {epoch}/{args.epochs}   held-out loss {pinball_loss(forecast, future):.4f}")

    error = (forecast[..., 1] - future).abs().mean()
    naive = (past[:, :FUTURE] - future).abs().mean()
    inside = ((future > forecast[..., 0]) & (future < forecast[..., 2])).float().mean()
    torch.save(model.state_dict(), out / "model.pt")
    picture = out / "forecast.png"
    # Four forecasts in a row, each for two days.
    days = slice(7, 14, 2)
    shown = forecast[days].flatten(0, 1)
    draw_curves(
        picture,
        "Power for the next two days",
        "four forecasts, each made at midnight; the true value should be in the shaded range four times out of five",
        list(range(len(shown))),
        {"forecast": shown[:, 1].tolist(), "what came": future[days].flatten().tolist()},
        xlabel="hours",
        band=(shown[:, 0].tolist(), shown[:, 2].tolist()),
    )
    print(f"\nmean error {error:.2f} MW, {naive:.2f} MW by saying 'as a week ago'; {inside:.0%} came inside the range")
    print(f"forecasts in {picture}, model in {out / 'model.pt'}")


if __name__ == "__main__":
    main()
