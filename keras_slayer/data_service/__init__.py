"""Input pipelines on machines of their own, with `tf.data` service and this package's ops.

python -m keras_slayer.data_service dispatcher --port 5050
python -m keras_slayer.data_service worker --dispatcher HOST:5050
"""

from keras_slayer.data_service.served import served

__all__ = ["served"]
