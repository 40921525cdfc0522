#!/usr/bin/env bash
# ONNX Runtime on a CPU: a product of unsigned 8-bit activations and signed 8-bit weights (MatMulInteger here; QLinearMatMul, QLinearConv and
# dynamic quantisation take the same kernels) is exact on processors with VNNI. With AVX2 alone two products are added in 16 bits and stop at
# 32,767 in silence: the same file gives other sums on another processor. Weights of 7 bits (`reduce_range=True`) cannot get there.
# A processor with VNNI is made one without by QEMU's user-mode emulation, which offers AVX2 and no AVX-512 (Debian: qemu-user-static).
set -euo pipefail
[ "$(uname -m)" = x86_64 ] || { echo "needs an x86-64 processor"; exit 0; }
plain=(); grep -qE 'avx512_vnni|avx_vnni' /proc/cpuinfo && plain=(qemu-x86_64-static -cpu max)
[ ${#plain[@]} -eq 0 ] || command -v "${plain[0]}" > /dev/null || { echo "needs qemu-x86_64-static on a processor with VNNI"; exit 2; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'onnxruntime==1.32.0' 'onnx==1.23.2' 'numpy==2.4.6'
cat > "$work/sums.py" <<'PY'
import numpy
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

for weight in (64, 65, 127):
    row, matrix = numpy.full((4, 64), 255, numpy.uint8), numpy.full((64, 16), weight, numpy.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["row", "matrix"], ["sum"])], "product",
        [helper.make_tensor_value_info("row", TensorProto.UINT8, [4, 64])],
        [helper.make_tensor_value_info("sum", TensorProto.INT32, [4, 16])], [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    print(weight, session.run(None, {"row": row})[0][0, 0], 64 * 255 * weight)
PY
echo "onnxruntime 1.32.0 without VNNI: weight, sum found, true sum"
"${plain[@]}" "$work/venv/bin/python" "$work/sums.py" | tee "$work/found"
diff "$work/found" - <<'SEEN'
64 1044480 1044480
65 1048544 1060800
127 1048544 2072640
SEEN
if [ ${#plain[@]} -gt 0 ]; then
    echo "with VNNI"
    "$work/venv/bin/python" "$work/sums.py" | tee "$work/found"
    diff "$work/found" - <<'SEEN'
64 1044480 1044480
65 1060800 1060800
127 2072640 2072640
SEEN
fi
