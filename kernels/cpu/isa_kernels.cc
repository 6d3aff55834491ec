// Compiled once for each instruction set, with ABLATE_ISA its namespace.
#include "kernels/cpu/attend_impl.h"
#include "kernels/cpu/gelu_impl.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/layer_norm_impl.h"
#include "kernels/cpu/readout_impl.h"
#include "kernels/cpu/round_rows_impl.h"

namespace ablate::kernels::cpu::ABLATE_ISA {

extern const KernelTable<float> kFloat;
extern const KernelTable<double> kDouble;

const KernelTable<float> kFloat = {AttendTasks<float>, LayerNormRows<float>, BiasGelu<float>, RoundRows,
                                   ReadoutRows<float>};
const KernelTable<double> kDouble = {AttendTasks<double>, LayerNormRows<double>, BiasGelu<double>, nullptr,
                                     ReadoutRows<double>};

}  // namespace ablate::kernels::cpu::ABLATE_ISA
