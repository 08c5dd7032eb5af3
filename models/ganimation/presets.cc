// The text of presets.txt, so that a tool works without its files around it. tests/openface_test.cc keeps
// both equal.
#include "models/ganimation/action_units.h"

namespace sga {

std::string_view default_presets() {
  return R"(# Expressions as mixtures of action units (AUs): name, AU=value pairs, # source.
# Values are shares of OpenFace's intensity 5; faces in photographs rarely go beyond 0.7. Edit freely: the tools read
# another file with the same form through --presets.
neutral                                             # all 17 AUs at rest
happiness  6=.6 12=.8 25=.5                         # Ekman & Friesen 1978, table 11-1: 6+12+25; EMFACS: 6+12
sadness    1=.6 4=.5 15=.5 17=.4                    # Radboud Faces targets: 1+4+15ABC+17; EMFACS: 1+4+15
surprise   1=.7 2=.7 5=.5 25=.6 26=.7               # EMFACS: 1+2+5B+26, with the lips apart as a dropped jaw leaves them
fear       1=.7 2=.5 4=.5 5=.8 7=.3 20=.6 25=.5 26=.3   # EMFACS: 1+2+4+5+7+20+26; Ekman & Friesen 1978: 1+2+4+5+20+25
anger      4=.8 5=.6 7=.6 17=.4 23=.6               # Radboud Faces targets: 4CDE+5CDE+7+17+23/24; EMFACS: 4+5+7+23
disgust    4=.3 9=.7 10=.6 17=.4 25=.2              # FACS Investigator's Guide: 9+17 and 10+17; Radboud: 9+10+25
contempt   R12=.3 R14=.6                            # EMFACS: R12A+R14A; R: the person's right half alone
)";
}

}  // namespace sga
