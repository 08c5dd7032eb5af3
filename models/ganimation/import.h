// Networks that were trained with PyTorch code: the published one (albertpumarola/GANimation) and its
// replicate (donydchen/ganimation_replicate).
#pragma once
#include "models/ganimation/networks.h"

namespace sga::ganimation {

/// A network and the code that made its file, "official" or "replicate", told apart by the names of the
/// tensors.
struct ImportedGenerator {
  Generator network;
  std::string layout;
};
struct ImportedDiscriminator {
  Discriminator network;
  std::string layout;
};

/// `file` is what decode_torch_file read: a state dict. A leading "module." of all names, as training on
/// several GPUs leaves it, is dropped; running_mean, running_var and num_batches_tracked are passed over,
/// since the networks normalise by the picture at hand. Channels, residual blocks and action units are those
/// of the tensors.
///   official   tensor by tensor
///   replicate  its instance norms have no scale and shift: 1 and 0. Its convolutions before them have a
///   bias, which
///              the norm subtracts again: left out. What is computed is the same.
/// The size of the pictures is not in the file: `size`.
/// Errors, which name the file: names of neither; a tensor that is missing, or superfluous, by its name; one
/// of another shape; a discriminator given as generator, and the other way round.
ImportedGenerator import_generator(const Checkpoint& file, int64_t size);

/// The critic, which reads action units too. Its size follows from its number of convolutions; refused if its
/// last map is not 2x2, the only form there is here.
ImportedDiscriminator import_discriminator(const Checkpoint& file);

}  // namespace sga::ganimation
