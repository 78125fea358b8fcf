"""The tables of this page: python3 docs/settings/lar.py [RESULTS] reads the experiments settings, settings-test and
settings-sequence below RESULTS into docs/settings/lar.csv; without RESULTS it prints the tables of lar.csv."""

import csv, pathlib, statistics, sys, tomllib

HERE = pathlib.Path(__file__).parent
SETTINGS = ["sequence", "position_scale", "embedding_std", "norm", "beta1", "decay", "split_seed"]
PRESENT = ["with-operator", "1.0", "1.0", "pre", "0.9", "all", "seed"]
# seed means of arXiv 2605.28975 (docs/paper/reference.csv; of x·y·x read from its curves), and one seed of its appendix for 7 to 10
ABA = {20: 0.746, 40: 0.719, 60: 0.664, 80: 0.634, 100: 0.621}
DIP = {7: 0.338, 8: 0.416, 9: 0.520, 10: 0.546}
TEST = [
    (("settings-test", "s5_mul", "0.5"), {20: 0.578, 40: 0.608}),
    (("settings-test", "s5_conj", "0.5"), {20: 0.751, 40: 0.734}),
    (("settings-test", "sub", "0.5"), {20: 0.580, 40: 0.595}),
    (("settings-test", "add", "0.5"), {1: 0.370, 20: 0.584, 40: 0.610}),
    (("settings-sequence", "add", "0.05"), {20: 0.534, 40: 0.598}),
    (("settings-sequence", "add", "0.1"), {20: 0.577, 40: 0.597}),
]


def collect(results):
    with open(HERE / "lar.csv", "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["experiment", "task", "train_fraction", "seed", *SETTINGS, "epoch", "lar", "val_accuracy"])
        for run in sorted(p.parent for p in pathlib.Path(results).glob("settings*/*/metrics.csv")):
            config = tomllib.loads((run / "config.toml").read_text())
            model, optim, seed = config["model"], config["optim"], config["seed"]
            given = [model.get("sequence", "with-operator"), model.get("position_scale", 1.0), model["embedding_std"], model["norm"]]
            given += [optim["beta1"], optim["decay"], "seed" if config["split_seed"] == seed else config["split_seed"]]
            for row in csv.DictReader(open(run / "metrics.csv")):
                values = [run.parent.name, config["task"], config["train_fraction"], seed, *given]
                out.writerow([*values, row["epoch"], row["lar"], row["val_accuracy"]])


def main():
    if len(sys.argv) > 1:
        return collect(sys.argv[1])
    seen = {}
    for row in csv.DictReader(open(HERE / "lar.csv")):
        key = (row["experiment"], row["task"], row["train_fraction"], *(row[s] for s in SETTINGS))
        seen.setdefault(key, {}).setdefault(int(row["epoch"]), []).append((float(row["lar"]), float(row["val_accuracy"])))
    lar = lambda key, epoch: statistics.mean(lar for lar, _ in seen[key][epoch])
    accuracy = lambda key, epoch: 100 * statistics.mean(accuracy for _, accuracy in seen[key][epoch])
    off = lambda key, paper: statistics.mean((lar(key, e) - p) ** 2 for e, p in paper.items()) ** 0.5
    cut = lambda value, digits=3: f"{value:.{digits}f}".lstrip("0") or "0"

    def name(settings):
        changed = [f"{s} {v}" for s, v, usual in zip(SETTINGS, settings, PRESENT) if v != usual]
        return ", ".join(changed) or "present"

    def choice(experiment, task, paper, scored):
        print(f"\n{task}: mean LAR of the seeds, and its root mean square deviation from the paper at {scored}")
        keys = [k for k in seen if k[:3] == (experiment, task, "0.5")]
        for key in sorted(keys, key=lambda k: (k[3], k[5:], -float(k[4]))):
            values = " | ".join(cut(lar(key, e)) for e in paper)
            end = off(key, {e: paper[e] for e in scored})
            also = f" | {accuracy(key, 40):.1f}, {accuracy(key, 60):.1f}" if 60 in seen[key] else ""
            print(f"| {name(key[3:])} | {values} | {cut(end, 4)}{also} |")

    choice("settings", "s5_aba", ABA, [40, 60, 80, 100])
    choice("settings-sequence", "add", DIP, [7, 8, 9, 10])
    chosen = [["with-operator", "0.6"], ["without-operator", "1.0"], ["without-operator", "0.6"]]
    print("\ntest: task, share, epoch, paper, present, then each chosen setting with what it is further away by")
    for (experiment, task, share), paper in TEST:
        for epoch, value in paper.items():
            at = lambda first: (experiment, task, share, *first, *PRESENT[len(first):])
            now = lar(at(PRESENT), epoch)
            cells = [f"{task} {share}", str(epoch), cut(value), cut(now)]
            for first in chosen:
                if at(first) in seen:
                    new = lar(at(first), epoch)
                    cells += [cut(new), f"{abs(new - value) - abs(now - value):+.3f}"]
                else:
                    cells += ["", ""]
            print("| " + " | ".join(cells) + " |")


main()
