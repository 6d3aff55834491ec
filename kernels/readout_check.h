// What can be known of readout's arguments on a device before it runs: a message that names the argument, empty where
// all is well. Reads through no pointer, so it holds for device memory too; what the tasks hold is not looked at.
#pragma once

#include <string>

#include "kernels/readout.h"

namespace ablate::kernels {

std::string CheckReadout(const ReadoutArgs& args);

// The same of the tasks, in host memory: for the side that makes them, before they are copied to a device.
std::string CheckReadoutTasks(const ReadoutArgs& args, const ReadoutTask* tasks);

}  // namespace ablate::kernels
