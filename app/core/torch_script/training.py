"""How the script draws the first weights, trains and judges."""

__all__ = ["TRAINING"]

TRAINING = """# --- the first weights

torch.set_num_threads(threads)
where = "cuda" if device in ("auto", "cuda") and torch.cuda.is_available() else "cpu"
network = network.to(where, getattr(torch, precision))
rng = np.random.default_rng([seed, 1])
decayed = []
with torch.no_grad():
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            shape = tuple(module.weight.shape)
            inputs = math.prod(shape[1:])
            deviation = weight_scale if initialisation == "normal" else math.sqrt(2 / inputs)
            # Filterscope keeps W of an affine layer as (inputs, outputs).
            linear = isinstance(module, nn.Linear)
            size = shape[::-1] if linear else shape
            if initialisation == "uniform":
                drawn = rng.uniform(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), size)
            else:
                drawn = rng.normal(0, deviation, size)
            drawn = torch.from_numpy(drawn.astype(precision)).to(where)
            module.weight = nn.Parameter(drawn.t() if linear else drawn)
            module.bias.zero_()
            decayed.append(module.weight)
weights = list(network.parameters())
decays = [any(w is one for one in decayed) for w in weights]
first, second = ([torch.zeros_like(w) for w in weights] for _ in range(2))

# --- training


def rate(step):
    epoch = step // per_epoch
    if schedule == "constant":
        return learning_rate
    if schedule == "decay":
        return learning_rate * rate_decay**epoch
    if schedule == "step":
        return learning_rate * rate_decay ** (epoch // step_epochs)
    total = per_epoch * epochs
    share = min(step / total, 1)

    def rising(part):
        return (1 - math.cos(math.pi * part)) / 2

    if schedule == "one_cycle":
        peak = warmup or 0.3
        if share < peak:
            return learning_rate * (1 / 25 + (1 - 1 / 25) * rising(share / peak))
        return learning_rate * (1 - rising((share - peak) / (1 - peak)))
    if share < warmup:
        return learning_rate * (step + 1) / (warmup * total + 1)
    return learning_rate * (1 - rising((share - warmup) / (1 - warmup)))


def scores_of(images):
    images = torch.from_numpy(np.ascontiguousarray(images)).to(where)
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(where, torch.bfloat16, enabled=mixed_precision != "none" and precision == "float32"):
        return network(images).to(getattr(torch, precision))


def accuracy(rows):
    network.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(rows), 250):
            part = rows[start : start + 250]
            scores = scores_of(normalised(x[part])).double()
            if mirror_looks:  # the mean of both looks has the same largest score as their sum
                scores = scores + scores_of(normalised(x[part][..., ::-1])).double()
            right += int((scores.argmax(1).cpu().numpy() == y[part]).sum())
    return right / len(rows)


def loss_of(scores, labels):
    if loss == "softmax":
        return F.cross_entropy(scores, labels, label_smoothing=label_smoothing)
    right = scores.gather(1, labels[:, None])
    return (scores - right + 1).clamp(min=0).sum() / len(scores) - 1


@torch.no_grad()
def move(step, slopes):
    eta = rate(step - 1)
    for w, g, m, v in zip(weights, slopes, first, second):
        if solver == "sgd":
            w.add_(g, alpha=-eta)
        elif solver in ("momentum", "nesterov"):
            m.mul_(momentum).add_(g, alpha=-eta)
            if solver == "momentum":
                w.add_(m)
            else:
                w.add_(m, alpha=momentum).add_(g, alpha=-eta)
        elif solver == "adam":
            m.lerp_(g, 1 - 0.9)
            v.mul_(0.999).addcmul_(g, g, value=1 - 0.999)
            roots = v.sqrt().mul_((1 - 0.999**step) ** -0.5).add_(1e-8)
            w.addcdiv_(m, roots, value=-eta / (1 - 0.9**step))
        else:
            if solver == "rmsprop":
                v.mul_(0.99)
            v.addcmul_(g, g, value=1 - 0.99 if solver == "rmsprop" else 1)
            w.addcdiv_(g, v.sqrt().add_(1e-8), value=-eta)


per_epoch = -(-train // batch_size)
losses, evaluations, best, best_weights = [], [], -1.0, None
for step in range(1, steps + 1):
    epoch, batch = divmod(step - 1, per_epoch)
    if batch == 0:
        order = np.random.default_rng([seed, 2, epoch]).permutation(train)
    for done, name, value in changes:
        if done == step - 1:
            globals()[name] = value
    rows = train_rows[order[batch * batch_size : (batch + 1) * batch_size]]
    images = normalised(augmented(x[rows], np.random.default_rng([seed, 7, epoch, batch])))
    masks = np.random.default_rng([seed, 8, step - 1])
    network.train()
    data = loss_of(scores_of(images), torch.from_numpy(y[rows]).to(where))
    slopes = torch.autograd.grad(data, weights)
    squares = 0.0
    if reg:
        with torch.no_grad():
            squares = (reg / 2 * torch.stack([w.norm() for w in decayed]).square().sum()).item()
        slopes = [g.add(w, alpha=reg) if decay else g for g, w, decay in zip(slopes, weights, decays)]
    losses.append(data.item() + squares)
    move(step, slopes)
    if len(validation_rows) and (step % (evaluate_every or per_epoch) == 0 or step % per_epoch == 0):
        evaluations.append((step, accuracy(validation_rows)))
        print(f"step {step}  loss {losses[-1]:.6g}  validation {evaluations[-1][1]:.4f}")
        if evaluations[-1][1] > best:
            best = evaluations[-1][1]
            best_weights = {name: one.clone() for name, one in network.state_dict().items()}
if best_weights is not None:
    network.load_state_dict(best_weights)
    print(f"best validation {best:.4f}")
if len(test_rows):
    print(f"test {accuracy(test_rows):.4f}")
torch.save(network.state_dict(), "weights.pt")
np.savez("curves.npz", losses=losses, evaluations=np.array(evaluations).reshape(-1, 2))
"""
