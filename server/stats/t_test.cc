#include "server/stats/t_test.h"

#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>

namespace ablate::stats {
namespace {

namespace math = boost::math;
// No exceptions: what cannot be computed is NaN.
using Policy = math::policies::policy<math::policies::domain_error<math::policies::ignore_error>,
                                      math::policies::pole_error<math::policies::ignore_error>,
                                      math::policies::overflow_error<math::policies::ignore_error>,
                                      math::policies::evaluation_error<math::policies::ignore_error>,
                                      math::policies::promote_double<false>>;

}  // namespace

double TTest(const Moments& moments, double min_effect) {
  if (moments.n < 2 || !(moments.sem > 0.0)) return std::numeric_limits<double>::quiet_NaN();
  const math::students_t_distribution<double, Policy> student(moments.n - 1);
  const double size = std::fabs(moments.mean);
  return math::cdf(math::complement(student, (size - min_effect) / moments.sem)) +
         math::cdf(math::complement(student, (size + min_effect) / moments.sem));
}

}  // namespace ablate::stats
