"""The functions of ``scipy.special`` on which rules are tested, beyond those in ``cases``: text -> where.

The text of a case is the function of ``x``. ``CASES`` has the same form as in ``cases``.
"""

from __future__ import annotations

import numpy as np
import scipy.special as sp

LINE = np.linspace(0.31, 0.93, 5)
SIGNED = np.array([-0.83, -0.41, 0.27, 0.66, 0.95])
WIDE = np.array([1.31, 1.77, 2.23, 2.9])
FAR = np.array([-6.3, -2.1, 3.4, 7.7])
TIED = np.array([0.7, 1.1, 0.7, 1.1])

_TEXTS = {
    # around the points where a formula is 0 / 0, and beyond the switch to another one
    "sp.exprel(x)": FAR,
    "sp.exprel(x - 0.27)": SIGNED,
    "sp.sici(x)[0] + sp.shichi(x)[0]": FAR,
    "sp.sici(x - 0.269)[0] + sp.shichi(x - 0.269)[0]": SIGNED,
    "sp.spence(1 + (x - 0.27) / 3) * sp.spence(x + 1)": SIGNED,
    "sp.rgamma(x - 0.66)": np.array([-2.34, -0.34, 0.66, 1.2, 3.1]),  # the poles of gamma among them
    "sp.rgamma(x)": FAR,
    "sp.it2j0y0(x - 0.269)[0] + sp.it2i0k0(x - 0.269)[0]": SIGNED,
    "sp.boxcox(x, x - 0.31) + sp.boxcox1p(x, x - 0.31)": LINE,
    "sp.boxcox(x[:3], FAR[:3])": WIDE,
    "sp.inv_boxcox(x, x - 0.31) + sp.inv_boxcox1p(x, x - 0.31)": LINE,
    "sp.inv_boxcox(x, 2 * x) * sp.inv_boxcox1p(x, 2 * x)": WIDE,
    "sp.ellipk(x - 0.27) + sp.ellipe(x - 0.27)": SIGNED,
    # elementary
    "sp.cbrt(x) + sp.exp2(x) + sp.expm1(x) + sp.log1p(x)": LINE,
    "sp.powm1(x[:2], x[2:4]) + sp.powm1(x[:2], 2) + sp.powm1(1.5, x[2:4])": LINE,
    "sp.huber(abs(x[:2]) / 2, x[2:4]) + sp.huber(x[2:4], x[:2])": SIGNED,
    "sp.pseudo_huber(x[:2], x[2:4])": LINE,
    "sp.radian(x, x**2, x**3)": LINE,
    "x * sp.gammasgn(x)": SIGNED,
    "sp.wrightomega(x)": FAR,
    "sp.lambertw(x).real + sp.lambertw(x - 1, 1).imag": LINE,
    "sp.lambertw(-x / 4, -1).real": LINE,
    "sp.lambertw(x - 0.27).real": SIGNED,
    "sp.log_ndtr(x) + sp.log_ndtr(3 * x)": FAR,
    "sp.binom(x[:2] + 3, x[2:4])": LINE,
    "sp.binom(5, x) + sp.binom(x, 2)": LINE,
    # error functions
    "sp.fresnel(x)[0] * sp.fresnel(x)[1]": SIGNED,
    "both(sp.wofz(x + 0.3j * x))": SIGNED,
    "both(sp.modfresnelp(x)[0] + sp.modfresnelp(x)[1])": LINE,
    "both(sp.modfresnelm(x)[0] + sp.modfresnelm(x)[1])": LINE,
    "sp.owens_t(x[:2], x[2:4])": SIGNED,
    "sp.voigt_profile(x[:2], x[1:3], x[2:4])": LINE,
    # incomplete gamma and beta functions
    "sp.gammaincinv(1.5, x) + sp.gammainccinv(1.5, x)": LINE,
    "sp.betaincinv(1.5, 2.5, x) + sp.betainccinv(1.5, 2.5, x) + sp.betaincc(1.5, 2.5, x)": LINE,
    # distributions
    "sp.bdtr(2.7, 7, x) + sp.bdtrc(2, 7, x) * sp.bdtri(2, 7, x)": LINE,
    "sp.nbdtr(2, 4, x) + sp.nbdtrc(2, 4, x) ** 2 * sp.nbdtri(2, 4, x)": LINE,
    "sp.pdtr(2, x) + sp.pdtrc(2.7, x) ** 2 * sp.pdtri(2, x)": LINE,
    "sp.chdtr(3, x) + sp.chdtrc(2.5, x) ** 2 * sp.chdtri(3, x)": LINE,
    "sp.gdtr(x[:2], 1.7, x[2:4]) + sp.gdtrc(x[:2], 1.3, x[2:4]) ** 2": LINE,
    "sp.gdtria(x[:2], 1.7, x[2:4]) * sp.gdtrix(x[:2], 1.7, x[2:4])": LINE,
    "sp.fdtr(3, 5, x) + sp.fdtrc(3, 5.5, x) ** 2 * sp.fdtri(3, 5, x)": LINE,
    "sp.stdtr(3.5, x)": SIGNED,
    "sp.stdtrit(3.5, x)": LINE,
    "sp.chndtr(x, 3.5, 1.2) + sp.chndtr(2.0, 3.5, x)": WIDE,
    "sp.nctdtr(3.5, 0.7, x)": FAR / 4,
    "sp.ncfdtr(3.0, 5.0, 1.2, x) + sp.ncfdtr(3.0, 5.0, x, 1.5)": WIDE,
    "sp.nrdtrimn(x[:2], x[1:3], x[2:4]) + sp.nrdtrisd(x[2:4], x[:2] / 3, x[1:3])": LINE,
    "sp.kolmogorov(x)": np.array([0.5, 0.9, 0.98, 1.02, 1.1, 2.0]),
    "sp.kolmogi(x)": LINE,
    "sp.ndtri_exp(-x)": WIDE,
    "sp.ndtri_exp(-x * x)": 4 * WIDE,
    "sp.tklmbda(x, 0.7)": SIGNED / 2,
    # hypergeometric and Legendre functions, polynomials
    "sp.hyp0f1(1.7, x) + sp.hyp0f1(1.7, 3 * x)": SIGNED,
    "sp.hyp1f1(0.6, 1.7, x) + sp.hyp1f1(0.6, 1.7, 3 * x)": SIGNED,
    "sp.hyp2f1(0.6, 1.3, 1.7, x * 0.8)": SIGNED,
    "sp.hyperu(0.6, 1.7, x)": LINE,
    "sp.wright_bessel(0.6, 1.7, x) + sp.log_wright_bessel(0.6, 1.7, x)": LINE,
    "sp.lpmv(1, 2.5, x) + sp.lpmv(0, 3, x) * sp.lpmv(2, 1, x)": SIGNED,
    "sp.eval_jacobi(4, 0.5, 1.5, x) + sp.eval_jacobi(2.5, 0.5, 1.5, x)": SIGNED,
    "x * sp.eval_jacobi(0, 0.5, 0.5, x)": SIGNED,
    "sp.eval_sh_jacobi(4, 2.5, 1.5, x) + sp.eval_sh_jacobi(0, 2.5, 1.5, x)": LINE,
    "sp.eval_legendre(5, x) + sp.eval_legendre(np.arange(5), x) * sp.eval_sh_legendre(3, x)": SIGNED,
    "sp.eval_gegenbauer(4, 0.7, x) + sp.eval_gegenbauer(2.5, 0.7, x)": SIGNED,
    "sp.eval_chebyt(5, x) * sp.eval_chebyu(4, x) + sp.eval_chebyt(0, x) + sp.eval_chebyt(1.5, x)": SIGNED,
    "sp.eval_chebyc(5, x) * sp.eval_chebys(4, x)": SIGNED,
    "sp.eval_sh_chebyt(5, x) * sp.eval_sh_chebyu(4, x)": LINE,
    "sp.eval_laguerre(4, x) * sp.eval_genlaguerre(3, 0.5, x) + sp.eval_laguerre(0, x)": SIGNED,
    "sp.eval_hermite(4, x) * sp.eval_hermitenorm(3, x) + sp.eval_hermite(0, x)": SIGNED,
    # Bessel functions and their relatives
    "sp.jv(1.5, x) + sp.jve(0.5, x) + sp.yve(1.5, x) * sp.yn(2, x) + sp.kn(1, x)": LINE,
    "sp.iv(2, x) + sp.jn(0, x) + sp.ive(0, x + 2)": SIGNED,
    "both(sp.hankel1(1.5, x) * sp.hankel2(0.5, x))": LINE,
    "both(sp.hankel1e(1.5, x) * sp.hankel2e(0.5, x))": LINE,
    "both(sp.jv(1, x + 1j) * sp.kv(0.5, x + 1j) + sp.hankel1e(1, x + 1j))": LINE,
    "both(sp.iv(2, 1j * x) * sp.kve(1, x + 1j) + sp.yv(1, x + 1j))": LINE,
    "sp.airy(x)[0] + sp.airy(x)[1] * sp.airy(x)[2] + sp.airy(x)[3]": FAR / 2,
    "sp.airye(x)[0] + sp.airye(x)[1] * sp.airye(x)[2] + sp.airye(x)[3]": LINE,
    "sp.airye(x)[2] * sp.airye(x)[3]": -LINE,
    "both(sp.airy(x + 1j)[0] * sp.airy(x + 1j)[3] + sp.erf(x + 1j) + sp.expi(x + 1j))": SIGNED,
    "sp.itj0y0(x)[0] * sp.itj0y0(x)[1] + sp.iti0k0(x)[0] * sp.iti0k0(x)[1]": LINE,
    "sp.it2j0y0(x)[1] + sp.it2i0k0(x)[1] + sp.it2j0y0(x + 1)[0] + sp.it2i0k0(x + 1)[0]": LINE,
    "sp.besselpoly(x, 1.0, 2.0)": LINE,
    "sp.struve(1.5, x) + sp.struve(0, x) * sp.modstruve(0.5, x)": LINE,
    "sp.struve(0, x) + sp.struve(1, x) * sp.modstruve(2, x)": SIGNED,
    "sp.itstruve0(x) + sp.it2struve0(x) * sp.itmodstruve0(x)": LINE,
    "sp.ber(x) * sp.bei(x) + sp.berp(x) * sp.beip(x)": SIGNED,
    "sp.ber(x - 0.27) + sp.bei(x - 0.27) * sp.beip(x - 0.27)": SIGNED,
    "sp.ker(x) * sp.kei(x) + sp.kerp(x) * sp.keip(x)": LINE,
    "both(sp.kelvin(x)[0] * sp.kelvin(x)[1] + sp.kelvin(x)[2] * sp.kelvin(x)[3])": LINE,
    "sp.pbdv(1.5, x)[0] * sp.pbdv(1.5, x)[1]": SIGNED,
    "sp.pbvv(1.5, x)[0] * sp.pbvv(1.5, x)[1]": SIGNED,
    "sp.pbwa(1.5, x)[0] * sp.pbwa(1.5, x)[1]": SIGNED,
    "sp.mathieu_cem(2, 1.5, 40 * x)[0] * sp.mathieu_cem(2, 1.5, 40 * x)[1]": SIGNED,
    "sp.mathieu_sem(2, 1.5, 40 * x)[0] * sp.mathieu_sem(2, 1.5, 40 * x)[1]": SIGNED,
    "sp.mathieu_modcem1(2, 1.5, x)[0] * sp.mathieu_modcem2(2, 1.5, x)[1]": LINE,
    "sp.mathieu_modsem1(2, 1.5, x)[0] * sp.mathieu_modsem2(2, 1.5, x)[1]": LINE,
    "sp.mathieu_modcem1(2, 1.5, x)[1] + sp.mathieu_modcem2(2, 1.5, x)[0]": LINE,
    "sp.pro_ang1(1, 2, 1.5, x)[0] * sp.pro_ang1(1, 2, 1.5, x)[1]": SIGNED,
    "sp.obl_ang1(1, 2, 1.5, x)[0] * sp.obl_ang1(1, 2, 1.5, x)[1]": SIGNED,
    "sp.pro_rad1(0, 1, 1.5, x)[0] * sp.pro_rad1(0, 1, 1.5, x)[1]": WIDE,
    "sp.obl_rad1(1, 2, 1.5, x)[0] * sp.obl_rad1(1, 2, 1.5, x)[1]": LINE,
    # elliptic integrals and functions; ties, where differences of formulas would be 0 / 0
    "sp.agm(x[:2], x[2:4])": LINE,
    "sp.agm(x[:2], x[2:])": TIED,
    "sp.ellipk(x) * sp.ellipe(x) + sp.ellipkm1(1 - x)": SIGNED,
    "sp.ellipkinc(x[:2], x[2:4]) * sp.ellipeinc(x[:2], x[2:4])": SIGNED,
    "sp.ellipkinc(x[:2], x[2:4] / 8) + sp.ellipeinc(x[2:4], x[:2] / 8)": FAR,
    "sp.ellipkinc(1.2, x - 0.27) + sp.ellipeinc(-1.2, x - 0.27)": SIGNED,
    "sp.ellipj(x[:2], x[2:4])[0] * sp.ellipj(x[:2], x[2:4])[1]": LINE,
    "sp.ellipj(x[:2], x[2:4])[2] * sp.ellipj(x[:2], x[2:4])[3]": LINE,
    "sp.ellipj(x, 0.4)[0] + sp.ellipj(2.0, abs(x) / 8)[3]": FAR,
    "sp.elliprc(x[:2], x[2:4]) + sp.elliprd(x[:2], x[1:3], x[2:4])": LINE,
    "sp.elliprc(x[:2], x[2:]) * sp.elliprd(x[:2], x[2:], x[1])": TIED,
    "sp.elliprf(x[:2], x[1:3], x[2:4]) * sp.elliprg(x[:2], x[1:3], x[2:4])": LINE,
    "sp.elliprf(x[:2], x[2:], x[1:3]) * sp.elliprg(x[:2], x[2:], x[2:])": TIED,
    "sp.elliprj(x[:2], x[1:3], x[2:4], x[3:])": LINE,
    "sp.elliprj(x[:2], x[2:], x[2:], x[2:]) * sp.elliprf(0.0, x[:2], x[1:3])": TIED,
    "both(sp.elliprf(x + 0.5j, 1 - 0.2j, x) * sp.elliprc(1 + x * 1j, 0.7))": LINE,
}


def both(z):
    """Real and imaginary part in one real number."""
    return z.real + 2 * z.imag


CASES = {text: (eval(f"lambda x: {text}"), at) for text, at in _TEXTS.items()}
assert sp is not None  # read by the texts
