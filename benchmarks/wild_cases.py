"""Functions that call public packages, unmodified, as a user of the package would: for ``wild.py``.

Each builder imports its package and gives a function of one array, and where it is differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Builder = Callable[[], tuple[Callable[..., Any], list[float]]]
# name -> package, builder
CASES: dict[str, tuple[str, Builder]] = {}
PACKAGES = """
    lmfit statsmodels pymoo opfunu pvlib fluids chemicals ht iapws astropy scikit-fem control arch
    scikit-learn numpy-financial floris pyhf colossus scikit-rf metpy py_wake lifelines
""".split()


def case(package: str) -> Callable[[Builder], Builder]:
    """Decorate the builder of a function that calls a package."""

    def add(build: Builder) -> Builder:
        CASES[f"{package}:{build.__name__}"] = package, build
        return build

    return add


def data(seed: int, *shape: int) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


# ------------------------------------------------------------------ scipy
@case("scipy")
def optimize_rosen():
    from scipy.optimize import rosen

    return lambda x: rosen(x), [-1.2, 1.0, 0.7, 1.4]


@case("scipy")
def norm_logpdf():
    from scipy import stats

    d = data(1, 50)
    return lambda x: np.sum(stats.norm.logpdf(d, x[0], x[1])), [0.3, 1.2]


@case("scipy")
def gamma_logpdf():
    from scipy import stats

    d = np.abs(data(2, 50)) + 0.1
    return lambda x: np.sum(stats.gamma.logpdf(d, x[0], scale=x[1])), [1.3, 0.8]


@case("scipy")
def t_logpdf():
    from scipy import stats

    d = data(3, 50)
    return lambda x: np.sum(stats.t.logpdf(d, x[0], x[1], x[2])), [5.0, 0.1, 1.1]


@case("scipy")
def norm_logcdf():
    from scipy import stats

    d = data(4, 50)
    return lambda x: np.sum(stats.norm.logcdf(d, x[0], x[1])), [0.3, 1.2]


@case("scipy")
def weibull_nnlf():
    from scipy import stats

    d = np.abs(data(5, 50)) + 0.1
    return lambda x: stats.weibull_min.nnlf((x[0], 0.0, x[1]), d), [1.3, 0.9]


@case("scipy")
def genextreme_private_logpdf():
    from scipy import stats

    d = data(6, 50)
    return lambda x: np.sum(stats.genextreme._logpdf((d - x[1]) / x[2], x[0]) - np.log(x[2])), [0.1, 0.2, 1.5]


@case("scipy")
def multivariate_normal_logpdf():
    from scipy import stats

    d = data(7, 30, 2)
    return lambda x: np.sum(
        stats.multivariate_normal.logpdf(
            d, mean=np.array([x[0], x[1]]), cov=np.array([[x[2], x[3]], [x[3], x[4]]])
        )
    ), [0.1, -0.2, 1.3, 0.3, 0.9]


@case("scipy")
def rotation_apply():
    from scipy.spatial.transform import Rotation

    v = data(8, 4, 3)
    return lambda x: Rotation.from_rotvec(x).apply(v), [0.3, -0.2, 0.5]


@case("scipy")
def cubic_spline():
    from scipy.interpolate import CubicSpline

    t = np.linspace(0, 1, 6)
    return lambda x: np.sum(CubicSpline(t, x)(np.linspace(0.05, 0.95, 9)) ** 2), [
        0.0,
        1.0,
        0.5,
        -0.3,
        0.2,
        0.9,
    ]


@case("scipy")
def solve_ivp_parameters():
    from scipy.integrate import solve_ivp

    def f(x):
        s = solve_ivp(
            lambda t, y: [x[0] * y[0] - x[1] * y[0] * y[1], y[0] * y[1] - x[2] * y[1]],
            (0, 2),
            [1.0, 1.0],
            rtol=1e-10,
            atol=1e-12,
        )
        return s.y[0, -1]

    return f, [1.5, 1.0, 3.0]


# ------------------------------------------------------------------ lmfit
@case("lmfit")
def gaussian_residual():
    from lmfit.lineshapes import gaussian

    t = np.linspace(-2, 2, 41)
    d = np.exp(-(t**2))
    return lambda x: np.sum((gaussian(t, *x) - d) ** 2), [1.3, 0.2, 0.9]


@case("lmfit")
def voigt_jacobian():
    from lmfit.lineshapes import voigt

    t = np.linspace(-2, 2, 11)
    return lambda x: voigt(t, x[0], x[1], x[2], x[3]), [1.3, 0.2, 0.9, 0.4]


@case("lmfit")
def skewed_voigt():
    from lmfit.lineshapes import skewed_voigt

    t = np.linspace(-2, 2, 21)
    return lambda x: np.sum(skewed_voigt(t, *x) ** 2), [1.3, 0.2, 0.9, 0.4, 0.3]


@case("lmfit")
def pearson7():
    from lmfit.lineshapes import pearson7

    t = np.linspace(-2, 2, 21)
    return lambda x: np.sum(pearson7(t, *x) ** 2), [1.3, 0.2, 0.9, 1.7]


@case("lmfit")
def composite_model_eval():
    from lmfit.models import GaussianModel, LinearModel

    t = np.linspace(-2, 2, 21)
    m = GaussianModel() + LinearModel()
    return lambda x: np.sum(
        m.eval(x=t, amplitude=x[0], center=x[1], sigma=x[2], slope=x[3], intercept=x[4]) ** 2
    ), [1.3, 0.2, 0.9, 0.4, 0.3]


# ------------------------------------------------------------------ statsmodels
def _xy(k=3, n=40):
    X = np.column_stack([np.ones(n), data(9, n, k - 1)])
    return X, X @ np.array([0.3, -0.5, 0.8])[:k]


@case("statsmodels")
def logit_loglike():
    import statsmodels.api as sm

    X, m = _xy()
    y = (m + data(10, 40) > 0).astype(float)
    return sm.Logit(y, X).loglike, [0.1, -0.2, 0.3]


@case("statsmodels")
def poisson_loglike():
    import statsmodels.api as sm

    X, m = _xy()
    y = np.round(np.exp(m))
    return sm.Poisson(y, X).loglike, [0.1, -0.2, 0.3]


@case("statsmodels")
def negative_binomial_loglike():
    import statsmodels.api as sm

    X, m = _xy()
    y = np.round(np.exp(m))
    return sm.NegativeBinomial(y, X).loglike, [0.1, -0.2, 0.3, 0.5]


@case("statsmodels")
def glm_gamma_loglike():
    import statsmodels.api as sm

    X, m = _xy()
    y = np.exp(m) + 0.1
    model = sm.GLM(y, X, family=sm.families.Gamma(sm.families.links.Log()))
    return lambda x: model.loglike(x, scale=0.7), [0.1, -0.2, 0.3]


@case("statsmodels")
def t_regression_loglike():
    from statsmodels.miscmodels.tmodel import TLinearModel

    X, m = _xy()
    model = TLinearModel(m + data(11, 40), X)
    return lambda x: -np.sum(model.nloglikeobs(x)), [0.1, -0.2, 0.3, 4.0, 1.2]


@case("statsmodels")
def beta_regression_loglike():
    from statsmodels.othermod.betareg import BetaModel

    X, m = _xy()
    model = BetaModel(1 / (1 + np.exp(-m - 0.1 * data(11, 40))), X)
    return model.loglike, [0.1, -0.2, 0.3, 1.0]


@case("statsmodels")
def arma_loglike():
    from statsmodels.tsa.arima.model import ARIMA

    model = ARIMA(data(12, 60), order=(1, 0, 1))
    return model.loglike, [0.1, 0.4, 0.2, 1.1]


@case("statsmodels")
def multinomial_logit_loglike():
    import statsmodels.api as sm

    X, m = _xy()
    y = np.digitize(m + data(13, 40), [-0.5, 0.5])
    return sm.MNLogit(y, X).loglike, [0.1, -0.2, 0.3, 0.2, 0.1, -0.4]


# ------------------------------------------------------------------ pymoo, opfunu
@case("pymoo")
def ackley():
    from pymoo.problems import get_problem

    p = get_problem("ackley", n_var=4)
    return lambda x: p.evaluate(x)[0], [0.3, -0.2, 0.5, 0.1]


@case("pymoo")
def zdt1_objectives():
    from pymoo.problems import get_problem

    p = get_problem("zdt1", n_var=4)

    def f(x):
        out = {}
        p._evaluate(x[None, :], out)
        return out["F"][0]

    return f, [0.3, 0.2, 0.5, 0.1]


@case("pymoo")
def welded_beam_constraints():
    from pymoo.problems import get_problem

    p = get_problem("welded_beam")

    def f(x):
        out = {}
        p._evaluate(x[None, :], out)
        return out["G"][0] * 1e3

    return f, [0.5, 4.0, 6.0, 0.7]


@case("opfunu")
def cec2014_f1():
    from opfunu.cec_based import F12014

    p = F12014(ndim=10)
    return lambda x: p.evaluate(x) / 1e6, list(np.linspace(-20, 30, 10))


@case("opfunu")
def ackley02():
    from opfunu.name_based import Ackley02

    p = Ackley02(ndim=2)
    return lambda x: p.evaluate(x), [0.7, -0.4]


@case("opfunu")
def colville():
    from opfunu.name_based import Colville

    p = Colville()
    return lambda x: p.evaluate(x), [0.7, -0.4, 0.3, 1.2]


# ------------------------------------------------------------------ pvlib
@case("pvlib")
def singlediode_power():
    from pvlib import pvsystem

    def f(x):
        il, io, rs, rsh, nv = pvsystem.calcparams_desoto(x[0], x[1], 0.003, 1.5, 6.0, 5e-10, 300.0, 0.4)
        return pvsystem.i_from_v(30.0, il, io, rs, rsh, nv) * 30.0

    return f, [800.0, 40.0]


@case("pvlib")
def aoi_haydavies_tilt():
    from pvlib import irradiance

    def f(x):
        return irradiance.haydavies(x[0], x[1], 120.0, 600.0, 1367.0, 40.0, 170.0) + 600 * np.cos(
            np.radians(irradiance.aoi(x[0], x[1], 40.0, 170.0))
        )

    return f, [30.0, 180.0]


@case("pvlib")
def sapm_cell_temperature():
    from pvlib import temperature

    return lambda x: temperature.sapm_cell(x[0], x[1], x[2], -3.47, -0.0594, 3.0), [800.0, 20.0, 3.0]


@case("pvlib")
def iam_physical():
    from pvlib import iam

    return lambda x: np.sum(iam.physical(np.array([10.0, 40.0, 70.0]), x[0], x[1], x[2])), [1.526, 4.0, 0.002]


@case("pvlib")
def inverter_sandia():
    from pvlib import inverter

    p = dict(
        Paco=250.0, Pdco=259.6, Vdco=40.0, Pso=2.1, C0=-4.1e-5, C1=-9.1e-5, C2=4.9e-4, C3=-0.013, Pnt=0.08
    )
    return lambda x: inverter.sandia(x[0], x[1], p), [39.0, 200.0]


# ------------------------------------------------------------------ chemical engineering, plain math
@case("fluids")
def friction_factor():
    import fluids

    return lambda x: fluids.friction_factor(Re=x[0], eD=x[1]), [1e5, 1e-3]


@case("fluids")
def packed_bed_ergun():
    from fluids.packed_bed import Ergun

    return lambda x: Ergun(dp=x[0], voidage=x[1], vs=x[2], rho=1000.0, mu=1e-3), [8e-4, 0.4, 1e-3]


@case("chemicals")
def wagner_vapor_pressure():
    from chemicals.vapor_pressure import Wagner

    return lambda x: Wagner(x[0], 190.53, 4596420.0, *x[1:]), [150.0, -6.00435, 1.1885, -0.834082, -1.22833]


@case("chemicals")
def iapws95_pressure():
    from chemicals.iapws import iapws95_P

    return lambda x: iapws95_P(x[0], x[1]) / 1e6, [600.0, 700.0]


@case("chemicals")
def rachford_rice():
    from chemicals.rachford_rice import flash_inner_loop

    return lambda x: flash_inner_loop([0.5, 0.3, 0.2], [x[0], x[1], x[2]])[0], [1.685, 0.742, 0.532]


@case("ht")
def nusselt_gnielinski():
    from ht.conv_internal import turbulent_Gnielinski

    return lambda x: turbulent_Gnielinski(Re=x[0], Pr=x[1], fd=x[2]), [1e5, 1.2, 0.0185]


@case("iapws")
def region1_enthalpy():
    from iapws.iapws97 import _Region1

    return lambda x: _Region1(x[0], x[1])["h"], [350.0, 5.0]


# ------------------------------------------------------------------ astronomy
@case("astropy")
def gaussian2d_evaluate():
    from astropy.modeling.models import Gaussian2D

    X, Y = np.meshgrid(np.linspace(-1, 1, 7), np.linspace(-1, 1, 7))
    return lambda x: np.sum(Gaussian2D.evaluate(X, Y, x[0], x[1], x[2], x[3], x[4], x[5]) ** 2), [
        1.2,
        0.1,
        -0.2,
        0.5,
        0.7,
        0.3,
    ]


@case("astropy")
def voigt1d_model_call():
    from astropy.modeling.models import Voigt1D

    t = np.linspace(-1, 1, 7)
    return lambda x: np.sum(Voigt1D(x[0], x[1], x[2], x[3])(t)), [0.1, 1.2, 0.5, 0.7]


@case("astropy")
def sersic1d_evaluate():
    from astropy.modeling.models import Sersic1D

    t = np.linspace(0.5, 3, 7)
    return lambda x: np.sum(Sersic1D.evaluate(t, x[0], x[1], x[2])), [1.1, 1.5, 2.5]


@case("astropy")
def moffat_model_evaluate():
    from astropy.modeling.models import Moffat1D

    t = np.linspace(-2, 3, 7)
    m = Moffat1D()
    return lambda x: np.sum(m.evaluate(t, *x) ** 2), [1.1, 0.5, 1.5, 2.0]


@case("astropy")
def luminosity_distance():
    from astropy.cosmology import FlatLambdaCDM

    return lambda x: FlatLambdaCDM(H0=x[0], Om0=x[1], Tcmb0=0).luminosity_distance(0.8).value, [70.0, 0.3]


@case("astropy")
def efunc_redshift():
    from astropy.cosmology import FlatLambdaCDM

    c = FlatLambdaCDM(H0=70.0, Om0=0.3)
    return lambda x: np.sum(c.efunc(x)), [0.3, 0.7, 1.1]


@case("colossus")
def hubble_rate_parameters():
    from colossus.cosmology import cosmology

    def f(x):
        c = cosmology.Cosmology(
            name="my",
            flat=True,
            H0=x[0],
            Om0=x[1],
            Ob0=0.049,
            sigma8=0.81,
            ns=0.95,
            persistence="",
            interpolation=False,
        )
        return c.Hz(0.7)

    return f, [70.0, 0.3]


@case("colossus")
def nfw_density():
    from colossus.cosmology import cosmology

    cosmology.setCosmology("planck18", persistence="")
    from colossus.halo.profile_nfw import NFWProfile

    r = np.array([10.0, 50.0, 200.0])

    def f(x):
        p = NFWProfile(rhos=1e6, rs=50.0)
        p.par["rhos"], p.par["rs"] = x[0], x[1]
        return np.sum(np.log(p.density(r)))

    return f, [1e6, 60.0]


@case("colossus")
def nfw_enclosed_mass_of_radius():
    from colossus.cosmology import cosmology

    cosmology.setCosmology("planck18", persistence="")
    from colossus.halo.profile_nfw import NFWProfile

    p = NFWProfile(rhos=1e6, rs=50.0)
    return lambda x: np.sum(p.enclosedMass(x)) / 1e12, [10.0, 50.0, 200.0]


# ------------------------------------------------------------------ colour


# ------------------------------------------------------------------ finite elements
@case("scikit-fem")
def p2_basis_functions():
    from skfem import ElementTriP2

    e = ElementTriP2()
    return lambda x: sum((i + 1) * np.sum(e.lbasis(x.reshape(2, 3), i)[0]) for i in range(6)), [
        0.1,
        0.2,
        0.3,
        0.4,
        0.3,
        0.1,
    ]


@case("scikit-fem")
def nonlinear_energy():
    from skfem import Basis, ElementTriP1, Functional, MeshTri

    b = Basis(MeshTri().refined(1), ElementTriP1())

    @Functional
    def energy(w):
        u = w["u"]
        return np.sqrt(1 + u.grad[0] ** 2 + u.grad[1] ** 2)

    return lambda x: energy.assemble(b, u=b.interpolate(x)), list(np.linspace(0, 1, 9) ** 2)


@case("scikit-fem")
def energy_of_node_positions():
    from skfem import Basis, ElementTriP1, Functional, MeshTri

    m = MeshTri().refined(1)

    @Functional
    def area(w):
        return 1.0 + 0 * w.x[0] + w.x[0] ** 2

    return lambda x: area.assemble(Basis(MeshTri(x.reshape(2, -1), m.t), ElementTriP1())), list(
        m.p.ravel() + 0.01 * data(14, 18)
    )


# ------------------------------------------------------------------ filtering and control
@case("control")
def tf_gain():
    import control

    return lambda x: abs(control.tf([x[0]], [1.0, x[1], x[2]])(1.5j)), [2.0, 0.7, 1.8]


@case("control")
def ss_frequency_response():
    import control

    def f(x):
        s = control.ss(
            np.array([[0.0, 1.0], [-x[0], -x[1]]]),
            np.array([[0.0], [1.0]]),
            np.array([[1.0, 0.0]]),
            np.zeros((1, 1)),
        )
        return np.abs(s(1.5j))

    return f, [2.0, 0.7]


@case("control")
def lqr_gain():
    import control

    def f(x):
        K, _S, _E = control.lqr(
            np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0], [1.0]]), np.diag([x[0], x[1]]), np.eye(1)
        )
        return K[0]

    return f, [2.0, 0.7]


@case("control")
def descfcn_saturation():
    from control.descfcn import saturation_nonlinearity

    s = saturation_nonlinearity(1.0)
    return lambda x: s.describing_function(x[0]), [1.7]


# ------------------------------------------------------------------ econometrics, finance, economics
@case("arch")
def garch_loglikelihood():
    from arch import arch_model

    m = arch_model(data(17, 80), mean="Constant", vol="GARCH", p=1, q=1)
    m.fit(disp="off")
    v = m.volatility
    r = m.resids(m.starting_values())
    sigma2 = np.zeros(80)
    back = v.backcast(r)
    bounds = v.variance_bounds(r)
    return lambda x: m._loglikelihood(x, sigma2, back, bounds), [0.05, 0.1, 0.1, 0.8]


@case("arch")
def students_t_loglikelihood():
    from arch.univariate import StudentsT

    d = StudentsT()
    r = data(18, 40)
    return lambda x: d.loglikelihood(x[:1], r, np.exp(x[1]) * np.ones(40)), [6.0, 0.2]


@case("arch")
def skewt_loglikelihood():
    from arch.univariate import SkewStudent

    d = SkewStudent()
    r = data(18, 40)
    return lambda x: d.loglikelihood([x[0], x[1]], r, np.ones(40)), [6.0, 0.2]


@case("numpy-financial")
def npv():
    import numpy_financial as npf

    return lambda x: npf.npv(x[0], x[1:]), [0.08, -100.0, 30.0, 40.0, 50.0]


@case("numpy-financial")
def annuity_payment():
    import numpy_financial as npf

    return lambda x: npf.pmt(x[0] / 12, 180, x[1]), [0.075, 200000.0]


@case("numpy-financial")
def irr():
    import numpy_financial as npf

    return lambda x: npf.irr(x), [-100.0, 39.0, 59.0, 55.0]


# ------------------------------------------------------------------ machine learning
@case("scikit-learn")
def gp_log_marginal_likelihood():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel

    X = data(19, 15, 2)
    g = GaussianProcessRegressor(RBF(1.0) + WhiteKernel(0.1), optimizer=None).fit(X, np.sin(X[:, 0]))
    return lambda x: g.log_marginal_likelihood(x), [0.1, -1.5]


@case("scikit-learn")
def rbf_kernel_inputs():
    from sklearn.metrics.pairwise import rbf_kernel

    return lambda x: np.sum(rbf_kernel(x.reshape(3, 2), gamma=0.5)), [0.1, 0.5, -0.3, 0.8, 0.4, 1.0]


@case("scikit-learn")
def covariance_log_likelihood():
    from sklearn.covariance import log_likelihood

    S = np.cov(data(20, 2, 30))
    return lambda x: log_likelihood(S, np.array([[x[0], x[1]], [x[1], x[2]]])), [1.2, 0.2, 0.9]


@case("scikit-learn")
def mlp_squared_loss():
    from sklearn.neural_network._base import squared_loss

    t = data(21, 6, 1)
    return lambda x: squared_loss(t, x.reshape(6, 1)), [0.1, 0.5, -0.3, 0.8, 0.4, 1.0]


# ------------------------------------------------------------------ engineering design
@case("floris")
def gauss_wake_profile():
    from floris.core.wake_velocity.gauss import gaussian_function, rC

    y = np.linspace(-100, 100, 5)

    def f(x):
        r, C = rC(0.0, x[0], x[1], y, 0.0, x[2], 90.0, 90.0, x[3], 10.0, 126.0)
        return np.sum(gaussian_function(C, r, 1, np.sqrt(0.5)))

    return f, [45.0, 40.0, 5.0, 0.8]


@case("floris")
def farm_power_of_yaw():
    from floris import FlorisModel

    fm = (
        FlorisModel("defaults")
        if hasattr(FlorisModel, "_defaults")
        else FlorisModel(str(Path(__import__("floris").__file__).parent / "default_inputs.yaml"))
    )
    fm.set(
        layout_x=[0.0, 630.0],
        layout_y=[0.0, 0.0],
        wind_directions=[270.0],
        wind_speeds=[8.0],
        turbulence_intensities=[0.06],
    )

    def f(x):
        fm.set(yaw_angles=x.reshape(1, 2))
        fm.run()
        return np.sum(fm.get_turbine_powers()) / 1e6

    return f, [12.0, 3.0]


@case("py_wake")
def gaussian_deficit():
    from py_wake.deficit_models.gaussian import BastankhahGaussianDeficit

    d = BastankhahGaussianDeficit()
    D = np.array([[80.0]])

    def f(x):
        return np.sum(
            d.calc_deficit(
                WS_ilk=np.array([[[10.0]]]),
                WS_eff_ilk=np.array([[[10.0]]]),
                WS_ref_ijlk=np.full((1, 1, 1, 1), 10.0),
                D_src_il=D,
                dw_ijlk=x[0].reshape(1, 1, 1, 1),
                cw_ijlk=x[1].reshape(1, 1, 1, 1),
                ct_ilk=x[2].reshape(1, 1, 1),
                TI_ilk=np.array([[[0.1]]]),
                TI_eff_ilk=np.array([[[0.1]]]),
            )
        )

    return f, [400.0, 30.0, 0.8]


@case("py_wake")
def farm_aep_of_layout():
    from py_wake.deficit_models.gaussian import BastankhahGaussian
    from py_wake.examples.data.hornsrev1 import V80, Hornsrev1Site

    wfm = BastankhahGaussian(Hornsrev1Site(), V80())
    return lambda x: wfm.aep(x[:3], x[3:], wd=[265.0, 270.0], ws=[9.0, 10.0]), [
        0.0,
        500.0,
        1100.0,
        0.0,
        30.0,
        -20.0,
    ]


# ------------------------------------------------------------------ optics, microwaves, electrochemistry
@case("scikit-rf")
def cascade_s_parameters():
    import skrf

    (0.1 + 0.2j) * np.ones((3, 2, 2)) + np.array([[0, 0.5], [0.5, 0]])

    def f(x):
        z = np.zeros((3, 2, 2), complex) + np.array([[x[0], x[1]], [x[1], x[2]]])
        return np.sum(np.abs(skrf.network.z2s(z, 50.0)) ** 2)

    return f, [60.0, 10.0, 40.0]


@case("scikit-rf")
def abcd_to_s():
    import skrf

    def f(x):
        a = np.array([[[1.0 + 0j, 1j * x[0]], [1j * x[1], 1 - x[0] * x[1]]]])
        return np.sum(np.abs(skrf.network.a2s(a, 50.0)[0, 1, 0]))

    return f, [30.0, 0.01]


@case("scikit-rf")
def microstrip_epsilon():
    from skrf import Frequency
    from skrf.media import MLine

    def f(x):
        m = MLine(
            Frequency(1, 2, 3, "GHz"),
            w=x[0],
            h=x[1],
            t=35e-6,
            ep_r=x[2],
            diel="frequencyinvariant",
            disp="none",
        )
        return np.sum(np.real(m.z0_characteristic))

    return f, [3e-3, 1.5e-3, 4.2]


# ------------------------------------------------------------------ physics statistics, survival, meteorology
@case("pyhf")
def counts_logpdf():
    import pyhf

    pyhf.set_backend("numpy")
    m = pyhf.simplemodels.uncorrelated_background(
        signal=[12.0, 11.0], bkg=[50.0, 52.0], bkg_uncertainty=[3.0, 7.0]
    )
    d = [60.0, 57.0, *m.config.auxdata]
    return lambda x: m.logpdf(x, d)[0], [1.1, 1.02, 0.97]


@case("lifelines")
def weibull_negative_loglikelihood():
    from lifelines import WeibullFitter

    t = np.abs(data(22, 30)) + 0.2
    e = data(23, 30) > -0.5
    w = WeibullFitter()

    def f(x):
        return -np.sum(e * w._log_hazard(x, t)) + np.sum(w._cumulative_hazard(x, t))

    return f, [1.4, 1.2]


@case("lifelines")
def loglogistic_hazard():
    from lifelines import LogLogisticFitter

    t = np.abs(data(22, 30)) + 0.2
    w = LogLogisticFitter()
    return lambda x: np.sum(w._log_hazard(x, t)), [1.4, 1.2]


@case("metpy")
def potential_temperature():
    from metpy.calc import potential_temperature as pt
    from metpy.units import units

    return lambda x: np.sum(pt(x[:2] * units.hPa, x[2:] * units.kelvin).magnitude), [
        850.0,
        700.0,
        285.0,
        270.0,
    ]


@case("metpy")
def dewpoint():
    from metpy.calc import dewpoint_from_relative_humidity as dp
    from metpy.units import units

    return lambda x: dp(units.Quantity(x[0], "degC"), units.Quantity(x[1], "dimensionless")).magnitude, [
        20.0,
        0.6,
    ]
