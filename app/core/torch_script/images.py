"""How the script reads images, divides, normalises and varies them."""

__all__ = ["IMAGES"]

IMAGES = '''# --- the images


def cifar():
    def decode(name, data):
        if name.endswith(".bin"):
            rows = np.frombuffer(data, np.uint8).reshape(-1, 3073)
            return rows[:, 1:], rows[:, 0]
        import io
        import pickle

        class Arrays(pickle.Unpickler):
            """Reads arrays and nothing else: a pickle could run whatever it names."""

            def find_class(self, module, name):
                homes = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs")
                if module not in homes or name not in ("_reconstruct", "ndarray", "dtype", "encode"):
                    raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
                return super().find_class(module, name)

        batch = Arrays(io.BytesIO(data), encoding="bytes").load()
        return batch[b"data"], np.array(batch[b"labels"])

    files = {}
    if os.path.isdir(path):
        for name in os.listdir(path):
            if os.path.isfile(os.path.join(path, name)):
                with open(os.path.join(path, name), "rb") as file:
                    files[name] = file.read()
    elif os.path.basename(path).partition(".")[0] in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        with open(path, "rb") as file:
            files[os.path.basename(path)] = file.read()
    else:
        import tarfile

        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile():
                    files[os.path.basename(member.name)] = archive.extractfile(member).read()
    ending = ".bin" if binary else ""
    names = [f"{name}{ending}" for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")]
    names = [name for name in names if name in files]
    parts = [decode(name, files[name]) for name in names]
    x = np.concatenate([x for x, _ in parts]).reshape(-1, 3, 32, 32)
    y = np.concatenate([y for _, y in parts]).astype(np.int64)
    return x, y, 0, len(parts[-1][1]) if len(parts) > 1 else 0


def folders():
    from PIL import Image

    def entries(place):
        return sorted((os.path.join(place, name) for name in os.listdir(place)), key=os.path.normcase)

    def name_of(place):
        return os.path.basename(place).encode("utf-8", "replace").decode()

    def folders_in(place):
        return [one for one in entries(place) if not name_of(one).startswith((".", "__")) and os.path.isdir(one)]

    def images_in(place):
        endings = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".ppm")
        return [one for one in entries(place) if one.lower().endswith(endings) and name_of(one)[0] != "."]

    def pixels(file):
        with Image.open(file, formats=("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "PPM")) as image:
            image = image.convert("RGB")
        if side:  # the middle square, made smaller or larger
            least = min(image.size)
            left, top = (image.width - least) // 2, (image.height - least) // 2
            middle = image.crop((left, top, left + least, top + least))
            image = middle.resize((side, side), Image.Resampling.LANCZOS)
        return np.asarray(image).transpose(2, 0, 1)

    levels = {"train": ("train", "training"), "validation": ("validation", "valid", "val"), "test": ("test", "testing")}
    inside = {name_of(one).lower(): one for one in folders_in(path)}
    parts = {}
    for level, names in levels.items():
        found = [inside[name] for name in names if name in inside]
        if found:
            parts[level] = found[0]
    if "train" not in parts or not folders_in(parts["train"]):
        parts = {"train": path}
    files = {(level, name_of(one)): images_in(one) for level, place in parts.items() for one in folders_in(place)}
    names = sorted({name for (_, name), some in files.items() if some})
    xs, ys, counts = [], [], dict.fromkeys(levels, 0)
    for level in parts:
        some = [(names.index(name), file) for (at, name), those in sorted(files.items()) if at == level for file in those]
        for place in np.random.default_rng([len(some), 8]).permutation(len(some)):
            label, file = some[place]
            try:
                image = pixels(file)
            except Exception:  # what cannot be read was left out then, too
                continue
            if side or max(image.shape) <= 512:
                xs.append(image)
                ys.append(label)
                counts[level] += 1
    if len(xs) != image_count:
        raise SystemExit(f"{path} has {len(xs)} images now, and had {image_count}.")
    x = np.stack(xs)
    if (x == x[:, :1]).all():
        x = x[:, :1]
    return x, np.array(ys), counts["validation"], counts["test"]


def named(name):
    if path.endswith(".npz"):
        with np.load(path, allow_pickle=False) as file:
            return file[name.strip("/")]
    import h5py

    with h5py.File(path, "r") as file:
        return file[name][:]


def own():
    xs, ys, counts = [], [], {}
    for part, images, labels, layout in arrays:
        x, y = named(images), named(labels)
        axes = layout
        if "D" in layout.upper():  # rows of numbers, row by row (D) or column by column (d)
            x = (x if layout[0] == "N" else x.T).reshape(-1, *image_shape)
            axes = "NCHW" if "D" in layout else "NCWH"
        elif "C" not in layout:
            x, axes = x[None], "C" + layout
        x = x.transpose([axes.index(axis) for axis in "NCHW"])
        if y.ndim == 2 and 1 not in y.shape:  # one-hot
            y = y.argmax(axis=1)
        y = y.reshape(-1).astype(np.int64)
        if x.dtype.kind == "f":
            x = x.astype(np.float32)
            good = np.isfinite(x.sum(axis=(1, 2, 3), dtype=np.float64))
            x, y = x[good] * np.float32(255 / top), y[good]
        else:
            x = x.astype(np.uint8)
        xs.append(x)
        ys.append(y)
        counts[part] = len(x)
    x, y, first = np.concatenate(xs), np.concatenate(ys), len(xs[0])
    y -= int(y.min() == 1)
    share = np.bincount(y[:first]) / first
    if (y[1:first] != y[: first - 1]).sum() < (1 - share @ share) * (first - 1) / 4:
        # Ordered by class: mixed.
        order = np.random.default_rng([first, 8]).permutation(first)
        x[:first], y[:first] = x[order], y[order]
    return x, y, counts.get("validation", 0), counts.get("test", 0)


x, y, own_validation, own_test = folders() if folder else own() if arrays else cifar()
free = len(x) - own_test - own_validation
validation, train, test = 0 if own_validation else validation_count, train_count, 0
if train + validation > free:
    validation = min(validation, free // 10)
    test = 0 if own_test else free // 10
    train = min(train, free - validation - test)
elif not own_test:
    test = free - train - validation
order, kept = np.arange(free), np.arange(free, len(x))
if split_seed:
    order = np.random.default_rng([split_seed, 6]).permutation(free)
train_rows = order[:train]
validation_rows = kept[:own_validation] if own_validation else order[train : train + validation]
test_rows = kept[own_validation:] if own_test else order[train + validation : train + validation + test]

channels = x.shape[1]
shift, factor = np.zeros((channels, 1, 1)), np.ones((channels, 1, 1))
if normalisation in ("mean_image", "per_channel"):
    total, squares = np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
    for start in range(0, train, 1024):
        block = x[train_rows[start : start + 1024]].astype(np.float64)
        total += block.sum(axis=0)
        squares += np.einsum("nchw,nchw->chw", block, block)
    mean, square = total / train, squares / train
    shift = mean
    if normalisation == "per_channel":
        shift, square = (one.mean(axis=(1, 2), keepdims=True) for one in (mean, square))
        deviation = np.sqrt(np.maximum(square - shift**2, 0))
        factor = 1 / np.where(deviation > 1e-6, deviation, 1)
elif normalisation == "scale":
    factor = factor / 255
elif normalisation == "cifar10":
    known = np.array([cifar10_mean, cifar10_std])
    if channels != 3:
        known = known.mean(axis=1, keepdims=True)
    shift, deviation = 255 * known[:, :, None, None]
    factor = 1 / deviation
shift, factor = shift.astype(precision), factor.astype(precision)


def normalised(pixels):
    return np.subtract(pixels, shift, dtype=precision) * factor


def augmented(batch, rng):
    reach = min(crop, min(batch.shape[2:]) - 1)
    if reach > 0:
        around = np.pad(batch, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(around, batch.shape[2:], axis=(2, 3))
        down, across = rng.integers(0, 2 * reach + 1, (2, len(batch)))
        batch = windows[np.arange(len(batch)), :, down, across]
    if flip:
        mirrored = rng.random(len(batch)) < 0.5
        batch = batch.copy()
        batch[mirrored] = batch[mirrored][..., ::-1]
    return batch


'''
