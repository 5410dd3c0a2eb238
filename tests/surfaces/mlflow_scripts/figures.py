"""Figures, images, tables, text and dictionaries: logged, listed, fetched and read again."""

import tempfile
from pathlib import Path

import matplotlib as mpl
import mlflow
import numpy as np
import pandas as pd
from PIL import Image

mpl.use("Agg")
import matplotlib.pyplot as plt

mlflow.set_experiment("figures")
pixels = np.zeros((8, 8, 3), dtype=np.uint8)
pixels[:, 4:] = [255, 128, 0]
questions = {"inputs": ["what is a run?", "what is a store?"], "length": [14, 16]}

with mlflow.start_run() as run:
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3], [1, 4, 9])
    mlflow.log_figure(figure, "plots/square.png")
    mlflow.log_image(Image.fromarray(pixels), "images/pillow.png")
    mlflow.log_image(mlflow.Image(pixels), "images/own.png")
    for step in range(2):
        mlflow.log_image(pixels, key="progress", step=step)
    mlflow.log_table(questions, "tables/questions.json")
    mlflow.log_table(pd.DataFrame(questions), "tables/questions.json")
    mlflow.log_text("# A report", "report.md")
    mlflow.log_dict({"rate": 0.1, "layers": [1, 2]}, "config.json")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.txt").write_text("a")
        Path(folder, "deep").mkdir()
        Path(folder, "deep", "b.txt").write_text("b")
        mlflow.log_artifacts(folder, "folder")
    uri = mlflow.get_artifact_uri("report.md")
    mlflow.flush_artifact_async_logging()

client = mlflow.MlflowClient()
run_id = run.info.run_id
table = mlflow.load_table("tables/questions.json", run_ids=[run_id], extra_columns=["run_id"])
picture = mlflow.artifacts.load_image(f"runs:/{run_id}/images/own.png")
fetched = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="folder", dst_path=tempfile.mkdtemp())

seen = {
    "listing": [(file.path, file.is_dir) for file in client.list_artifacts(run_id) if file.path != "tables"],
    "images": len([file for file in client.list_artifacts(run_id, "images") if "progress" in file.path]),
    "plot": mlflow.artifacts.load_image(f"runs:/{run_id}/plots/square.png").size,
    "picture": np.array(picture).tolist() == pixels.tolist(),
    "rows": table[["inputs", "length"]].values.tolist(),
    "of the run": set(table["run_id"]) == {run_id},
    "report": mlflow.artifacts.load_text(uri),
    "config": mlflow.artifacts.load_dict(f"runs:/{run_id}/config.json"),
    "fetched": sorted(path.name for path in Path(fetched).rglob("*.txt")),
    "image": [mlflow.Image(pixels).size, mlflow.Image(pixels).resize((2, 2)).to_array().shape],
}
