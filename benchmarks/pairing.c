/* Coincidences in plain C: two pointers, columns in, columns out. Every good pair, prompt and, with a delay, delayed.

   What `benchmarks.bench_pairing` measures the product against. It does less: it takes all singles in one piece, trusts
   their order, and counts nothing but the rows. */
#include <stdint.h>
#include <stdlib.h>

#define HERE 0x8000u

struct rule { int64_t window_ps, delay_ps, from, span; const uint32_t *places; };
struct rows { int64_t *time; uint32_t *a, *b; int32_t *tof; float *energy_a, *energy_b; uint8_t *kind; };

static inline int is_good(uint32_t one, uint32_t other, const struct rule *rule) {
    uint32_t a = rule->places[one], b = rule->places[other];
    int64_t apart = labs((long)(a & 0xffff) - (long)(b & 0xffff));
    return (a & b & HERE) && one != other && (uint64_t)(apart - rule->from) <= (uint64_t)rule->span;
}

static inline void put(const struct rows *rows, int64_t at, int64_t time, int64_t later, uint32_t opener,
                       uint32_t partner, float energy, float partners, uint8_t kind) {
    rows->time[at] = time;
    rows->kind[at] = kind;
    if (opener < partner) {
        rows->a[at] = opener, rows->b[at] = partner, rows->tof[at] = (int32_t)later;
        rows->energy_a[at] = energy, rows->energy_b[at] = partners;
    } else {
        rows->a[at] = partner, rows->b[at] = opener, rows->tof[at] = (int32_t)-later;
        rows->energy_a[at] = partners, rows->energy_b[at] = energy;
    }
}

int64_t pair(const int64_t *time, const uint32_t *detector, const float *energy, int64_t singles,
             const struct rule *given, const struct rows *out) {
    const struct rule rule = *given;
    const struct rows rows = *out;
    int64_t at = 0, first = 0;
    for (int64_t i = 0; i < singles; i++) {
        for (int64_t j = i + 1; j < singles && time[j] - time[i] <= rule.window_ps; j++)
            if (is_good(detector[i], detector[j], &rule))
                put(&rows, at++, time[i], time[j] - time[i], detector[i], detector[j], energy[i], energy[j], 0);
        if (!rule.delay_ps)
            continue;
        while (first < singles && time[first] - time[i] < rule.delay_ps)
            first++;
        for (int64_t j = first; j < singles && time[j] - time[i] - rule.delay_ps <= rule.window_ps; j++)
            if (is_good(detector[i], detector[j], &rule))
                put(&rows, at++, time[i], time[j] - time[i] - rule.delay_ps, detector[i], detector[j], energy[i],
                    energy[j], 1);
    }
    return at;
}
