"""What `benchmarks/serving.py` compares the service with: FastAPI in front of a queue in Redis, workers behind it.

Each worker takes one clip at a time from the queue, answers by the pipeline, and leaves the answer under the number of
the request. Nothing bounds the queue, and a clip that kills a worker is lost: this shows what that design costs and
brings, not how to serve strangers.
"""

import json
import sys
import uuid

RESULT_SECONDS = 300


def web(redis_port: int, port: int) -> None:
    """Take clips by HTTP, and wait for their answers."""
    import redis.asyncio as redis
    import uvicorn
    from fastapi import FastAPI, UploadFile
    from fastapi.responses import Response

    app, queue = FastAPI(), redis.Redis(port=redis_port, max_connections=2000)

    @app.get("/health")
    async def health() -> str:
        # Ready when a worker has said so: a queue without one takes clips all the same.
        return "ok" if await queue.get("ready") else "starting"

    @app.post("/predict")
    async def predict(file: UploadFile) -> Response:
        number = uuid.uuid4().hex
        await queue.hset(f"clip:{number}", mapping={"bytes": await file.read()})
        await queue.rpush("waiting", number)
        found = await queue.blpop([f"answer:{number}"], RESULT_SECONDS)
        return Response(found[1] if found else b"{}", 200 if found else 504, media_type="application/json")

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def worker(redis_port: int, model: str) -> None:
    """Answer one clip after another."""
    import redis
    import torch

    from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
    from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline

    torch.set_num_threads(1)
    queue = redis.Redis(port=redis_port, max_connections=2000)
    pipe = EmoFusionPipeline(
        model=EmoFusionModel.from_pretrained(model), processor=EmoFusionProcessor.from_pretrained(model)
    )
    queue.set("ready", 1)
    while True:
        number = queue.blpop(["waiting"])[1].decode()
        answer = pipe(queue.hget(f"clip:{number}", "bytes"))
        queue.delete(f"clip:{number}")
        queue.rpush(f"answer:{number}", json.dumps(answer))


if __name__ == "__main__":
    if sys.argv[1] == "web":
        web(int(sys.argv[2]), int(sys.argv[3]))
    else:
        worker(int(sys.argv[2]), sys.argv[3])
