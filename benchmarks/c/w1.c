/* W1 in C, as an expert writes it: RK4 and four forward tangents for an N x N map of double pendulums.

   LANES trajectories side by side in structure-of-arrays form, vectorised by `omp simd`; the Jacobian of the
   right-hand side by hand; the tangents go through theta_1 - theta_2; sine and cosine of theta_1 and theta_2 only,
   once a stage, those of the difference by the addition theorems; each stage fused with RK4's updates.

     default        sine and cosine by the C library (libmvec, vectorised)
     -DINLINE_TRIG  both together, inlined: reduction by pi/2 in two parts, fdlibm's minimax polynomials

   usage: w1 N STEPS THREADS RUNS    prints one line of JSON */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#ifndef LANES
#define LANES 8
#endif
#define ROWS 20 /* 4 of state, then 16 of tangents: d y_i / d y0_j in row 4 + 4 * i + j */
#define MAX_RUNS 100
#define INLINE static inline __attribute__((always_inline))
typedef double lanes[LANES] __attribute__((aligned(LANES < 8 ? 8 * LANES : 64)));

#ifdef INLINE_TRIG
/* NOTE: right for |x| up to about 1e6; the two-part reduction does not serve beyond.
   SOURCE: polynomials of fdlibm, k_sin.c and k_cos.c. */
INLINE void sine_cosine(double x, double *sine, double *cosine) {
  double k = __builtin_rint(x * 0.63661977236758134308);
  double shifted = k + 6755399441055744.0; /* + 1.5 * 2**52: the low bits are the integer k */
  long long quadrant;
  memcpy(&quadrant, &shifted, 8);
  double r = __builtin_fma(k, -1.57079632673412561417e+00, x);
  r = __builtin_fma(k, -6.07710050650619224932e-11, r);
  double z = r * r;
  double p = 1.58969099521155010221e-10;
  p = p * z + -2.50507602534068634195e-08;
  p = p * z + 2.75573137070700676789e-06;
  p = p * z + -1.98412698298579493134e-04;
  p = p * z + 8.33333333332248946124e-03;
  p = p * z + -1.66666666666666324348e-01;
  p = (p * z) * r + r;
  double q = -1.13596475577881948265e-11;
  q = q * z + 2.08757232129817482790e-09;
  q = q * z + -2.75573143513906633035e-07;
  q = q * z + 2.48015872894767294178e-05;
  q = q * z + -1.38888888888741095749e-03;
  q = q * z + 4.16666666666666019037e-02;
  q = (q * z) * z + (1.0 - 0.5 * z);
  double s = (quadrant & 1) ? q : p, c = (quadrant & 1) ? p : q;
  long long s_bits, c_bits;
  memcpy(&s_bits, &s, 8);
  memcpy(&c_bits, &c, 8);
  s_bits ^= (quadrant & 2) << 62;
  c_bits ^= ((quadrant + 1) & 2) << 62;
  memcpy(sine, &s_bits, 8);
  memcpy(cosine, &c_bits, 8);
}
#endif

/* One stage: k = f(x) with its tangents, x being y in the first stage and `next` later, fused with what RK4 does
   with k:  FIRST: sum = y + w k, next = y + c k;  MIDDLE: sum += w k, next = y + c k;  LAST: y = sum + w k. */
enum stage_kind { FIRST, MIDDLE, LAST };
#define UPDATE(i, rate)                 \
  do {                                  \
    double k = (rate);                  \
    if (kind == LAST) {                 \
      y[i][l] = sum[i][l] + w * k;      \
    } else {                            \
      if (kind == FIRST)                \
        sum[i][l] = y[i][l] + w * k;    \
      else                              \
        sum[i][l] += w * k;             \
      next[i][l] = y[i][l] + c * k;     \
    }                                   \
  } while (0)

INLINE void stage(enum stage_kind kind, lanes *restrict y, lanes *restrict next, lanes *restrict sum, double w,
                  double c) {
  lanes sin_1, cos_1, sin_2, cos_2;
  lanes *x = kind == FIRST ? y : next;
#ifdef INLINE_TRIG
#pragma omp simd
  for (int l = 0; l < LANES; l++) {
    double s, co;
    sine_cosine(x[0][l], &s, &co);
    sin_1[l] = s;
    cos_1[l] = co;
  }
#pragma omp simd
  for (int l = 0; l < LANES; l++) {
    double s, co;
    sine_cosine(x[1][l], &s, &co);
    sin_2[l] = s;
    cos_2[l] = co;
  }
#else
#pragma omp simd
  for (int l = 0; l < LANES; l++) {
    sin_1[l] = sin(x[0][l]);
    sin_2[l] = sin(x[1][l]);
  }
#pragma omp simd
  for (int l = 0; l < LANES; l++) {
    cos_1[l] = cos(x[0][l]);
    cos_2[l] = cos(x[1][l]);
  }
#endif
#pragma omp simd
  for (int l = 0; l < LANES; l++) {
    double s1 = sin_1[l], c1 = cos_1[l], s2 = sin_2[l], c2 = cos_2[l], p1 = x[2][l], p2 = x[3][l];
    double s = s1 * c2 - c1 * s2, co = c1 * c2 + s1 * s2, co_3 = 3.0 * co;
    double inverse = 6.0 / (16.0 - co_3 * co_3), slope = 3.0 * inverse * s;
    double m11 = 2.0 * inverse, m12 = -co_3 * inverse, m22 = 8.0 * inverse;
    double v1 = m11 * p1 + m12 * p2, v2 = m22 * p2 + m12 * p1;
    double half_v1 = 0.5 * v1, half_v1_s = half_v1 * s, torque = half_v1_s * v2;
    double log_slope = -co * slope; /* (d inverse / d delta) / inverse */
    double v1_delta = log_slope * v1 + slope * p2, v2_delta = log_slope * v2 + slope * p1;
    double torque_v1 = 0.5 * s * v2, torque_delta = half_v1 * v2 * co, g1 = 14.7 * c1, g2 = 4.9 * c2;
    UPDATE(0, v1);
    UPDATE(1, v2);
    UPDATE(2, -torque - 14.7 * s1);
    UPDATE(3, torque - 4.9 * s2);
    for (int j = 0; j < 4; j++) {
      double t1 = x[4 + j][l], t2 = x[8 + j][l], q1 = x[12 + j][l], q2 = x[16 + j][l], delta = t1 - t2;
      double dv1 = v1_delta * delta + m11 * q1 + m12 * q2;
      double dv2 = v2_delta * delta + m12 * q1 + m22 * q2;
      double d_torque = torque_v1 * dv1 + half_v1_s * dv2 + torque_delta * delta;
      UPDATE(4 + j, dv1);
      UPDATE(8 + j, dv2);
      UPDATE(12 + j, -d_torque - g1 * t1);
      UPDATE(16 + j, d_torque - g2 * t2);
    }
  }
}

static void integrate(lanes *restrict y, int steps, double h) {
  lanes next[ROWS], sum[ROWS];
  for (int n = 0; n < steps; n++) {
    stage(FIRST, y, next, sum, h / 6, h / 2);
    stage(MIDDLE, y, next, sum, h / 3, h / 2);
    stage(MIDDLE, y, next, sum, h / 3, h);
    stage(LAST, y, next, sum, h / 6, 0);
  }
}

static void map(const double *theta, int n, int steps, int threads, double *out) {
  long cells = (long)n * n;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 64)
  for (long block = 0; block < (cells + LANES - 1) / LANES; block++) {
    lanes y[ROWS];
    memset(y, 0, sizeof y);
    for (int l = 0; l < LANES; l++) {
      long m = block * LANES + l;
      if (m >= cells) m = cells - 1;
      y[0][l] = theta[m / n];
      y[1][l] = theta[m % n];
      for (int i = 0; i < 4; i++) y[4 + 5 * i][l] = 1.0;
    }
    integrate(y, steps, 0.01);
    for (int i = 0; i < ROWS; i++)
      for (int l = 0; l < LANES; l++) {
        long m = block * LANES + l;
        if (m < cells) out[i * cells + m] = y[i][l];
      }
  }
}

/* Means over the cells with |theta| < 1: of log10 of the Jacobian's Frobenius norm, and of d theta_2 / d p_1. */
static void growth(const double *theta, int n, const double *out, double *log_norm, double *entry) {
  const double edge = 1 - 1e-9;
  double total = 0, total_entry = 0;
  long count = 0, cells = (long)n * n;
  for (long m = 0; m < cells; m++)
    if (fabs(theta[m / n]) < edge && fabs(theta[m % n]) < edge) {
      double square = 0;
      for (int i = 4; i < ROWS; i++) square += out[i * cells + m] * out[i * cells + m];
      total += 0.5 * log10(square);
      total_entry += out[10 * cells + m];
      count++;
    }
  *log_norm = total / count;
  *entry = total_entry / count;
}

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void print_times(const char *name, const double *times, int runs) {
  printf("\"%s\": [", name);
  for (int r = 1; r <= runs; r++) printf("%s%.9f", r > 1 ? ", " : "", times[r]);
  printf("], ");
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: w1 N STEPS THREADS RUNS\n");
    return 2;
  }
  int n = atoi(argv[1]), steps = atoi(argv[2]), threads = atoi(argv[3]), runs = atoi(argv[4]);
  if (runs > MAX_RUNS) runs = MAX_RUNS;
  double *out = malloc(sizeof(double) * ROWS * n * n), *theta = malloc(sizeof(double) * n);
  if (!out || !theta) return 1;
  for (int i = 0; i < n; i++) theta[i] = -3.0 + 6.0 * i / (n - 1);
  double wall[MAX_RUNS + 1] = {0}, cpu[MAX_RUNS + 1] = {0};
  for (int r = 0; r <= runs; r++) { /* the first run warms up */
    double cpu_start = cpu_seconds(), start = omp_get_wtime();
    map(theta, n, steps, threads, out);
    wall[r] = omp_get_wtime() - start;
    cpu[r] = cpu_seconds() - cpu_start;
  }
  double log_norm, entry;
  growth(theta, n, out, &log_norm, &entry);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{");
  print_times("wall", wall, runs);
  print_times("cpu", cpu, runs);
  printf("\"first\": %.9f, \"calls\": 1, \"answer\": [%.17g, %.17g], \"memory\": {\"peak\": %.1f}}\n", wall[0], log_norm,
         entry, usage.ru_maxrss / 1024.0);
  return 0;
}
