"""Why a model gives its answer: which frames, which stretch of sound and which mel bands moved it."""
