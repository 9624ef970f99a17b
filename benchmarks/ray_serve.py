"""What `benchmarks/serving.py` compares the service with: the pipeline as a deployment of Ray Serve.

Its workers are replicas, which gather batches; its proxy takes HTTP. Nothing else of ours is around it: this shows
what the engine costs and brings, not how to serve strangers.
"""

import signal
import sys
import time

import ray
from ray import serve
from starlette.requests import Request

BATCH, WAIT_S = 8, 0.02
"""As of `emofusion serve`."""


@serve.deployment(max_ongoing_requests=2 * BATCH, max_queued_requests=-1, ray_actor_options={"num_cpus": 0})
class Emotions:
    """Answers about clips.

    Args:
        model (`str`): Folder of a checkpoint.
    """

    def __init__(self, model: str) -> None:
        import torch

        from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
        from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline

        torch.set_num_threads(1)
        self.pipe = EmoFusionPipeline(
            model=EmoFusionModel.from_pretrained(model), processor=EmoFusionProcessor.from_pretrained(model)
        )

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=WAIT_S)
    async def answers(self, clips: list[bytes]) -> list[dict]:
        """Of several clips."""
        return list(self.pipe(clips, batch_size=BATCH))

    async def __call__(self, request: Request) -> dict:
        """One request."""
        form = await request.form()
        return await self.answers(await form["file"].read())


def main(model: str, workers: int, port: int) -> None:
    """Serve until told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # which ends all that Ray has started
    ray.init(include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(Emotions.options(num_replicas=workers).bind(model), route_prefix="/predict")
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
