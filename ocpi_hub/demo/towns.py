"""A hundred towns and some: real names, postal codes, coordinates; streets such as they have."""

from __future__ import annotations

from dataclasses import dataclass

from ocpi_hub.demo.countries import (
    AUSTRIA,
    BELGIUM,
    DENMARK,
    FRANCE,
    GERMANY,
    NETHERLANDS,
    PORTUGAL,
    Country,
)

Streets = tuple[str, ...]
"""Addresses as they are written there; the braces take the number of the house."""

_GERMAN = ("Bahnhofstraße {}", "Hauptstraße {}", "Lindenallee {}", "Gartenstraße {}", "Marktweg {}")
_FRENCH = (
    "{} Rue de la Gare",
    "{} Avenue de la République",
    "{} Rue Pasteur",
    "{} Place du Marché",
    "{} Rue des Tilleuls",
)
_DUTCH = ("Stationsweg {}", "Molenstraat {}", "Kerkstraat {}", "Parklaan {}", "Havenstraat {}")
_WALLOON = ("Rue de la Gare {}", "Rue du Moulin {}", "Avenue du Parc {}", "Rue des Écoles {}")
_PORTUGUESE = ("Rua da Estação {}", "Avenida da Liberdade {}", "Rua do Mercado {}", "Rua Nova {}")
_DANISH = ("Banegårdsvej {}", "Storegade {}", "Havnegade {}", "Skovvej {}")


@dataclass(frozen=True, slots=True)
class Town:
    """A town; coordinates are WGS 84, of its centre."""

    country: Country
    name: str
    postal_code: str
    latitude: float
    longitude: float
    streets: Streets


Row = tuple[str, str, float, float]


def _towns(country: Country, streets: Streets, *rows: Row) -> tuple[Town, ...]:
    return tuple(Town(country, *row, streets) for row in rows)


TOWNS = (
    *_towns(
        GERMANY,
        _GERMAN,
        ("Hamburg", "20095", 53.551, 9.993),
        ("Köln", "50667", 50.933, 6.95),
        ("Leipzig", "04109", 51.34, 12.371),
        ("Freiburg", "79098", 47.996, 7.852),
        ("Göttingen", "37073", 51.534, 9.932),
        ("Aachen", "52062", 50.777, 6.083),
        ("Bremen", "28195", 53.076, 8.807),
        ("Dresden", "01067", 51.051, 13.738),
        ("Erfurt", "99084", 50.977, 11.035),
        ("Kassel", "34117", 51.317, 9.5),
        ("Kiel", "24103", 54.321, 10.135),
        ("Lübeck", "23552", 53.869, 10.687),
        ("Magdeburg", "39104", 52.131, 11.632),
        ("Mainz", "55116", 49.982, 8.28),
        ("Münster", "48143", 51.962, 7.626),
        ("Nürnberg", "90402", 49.454, 11.078),
        ("Oldenburg", "26122", 53.14, 8.215),
        ("Osnabrück", "49074", 52.273, 8.05),
        ("Potsdam", "14467", 52.399, 13.066),
        ("Regensburg", "93047", 49.015, 12.102),
        ("Rostock", "18055", 54.089, 12.14),
        ("Saarbrücken", "66111", 49.233, 7.01),
        ("Stuttgart", "70173", 48.782, 9.177),
        ("Trier", "54290", 49.756, 6.639),
        ("Ulm", "89073", 48.398, 9.992),
        ("Würzburg", "97070", 49.794, 9.951),
        ("Bamberg", "96047", 49.899, 10.901),
        ("Konstanz", "78462", 47.66, 9.176),
    ),
    *_towns(
        AUSTRIA,
        _GERMAN,
        ("Wien", "1010", 48.208, 16.372),
        ("Graz", "8010", 47.067, 15.442),
        ("Linz", "4020", 48.306, 14.286),
        ("Salzburg", "5020", 47.799, 13.044),
        ("Innsbruck", "6020", 47.263, 11.395),
        ("Klagenfurt", "9020", 46.625, 14.305),
    ),
    *_towns(
        FRANCE,
        _FRENCH,
        ("Lille", "59000", 50.634, 3.055),
        ("Lyon", "69002", 45.749, 4.848),
        ("Strasbourg", "67000", 48.584, 7.746),
        ("Rennes", "35000", 48.111, -1.674),
        ("Bordeaux", "33000", 44.841, -0.58),
        ("Reims", "51100", 49.265, 4.029),
        ("Nantes", "44000", 47.217, -1.553),
        ("Toulouse", "31000", 43.604, 1.444),
        ("Montpellier", "34000", 43.611, 3.876),
        ("Dijon", "21000", 47.313, 5.014),
        ("Grenoble", "38000", 45.179, 5.715),
        ("Angers", "49000", 47.472, -0.552),
        ("Tours", "37000", 47.395, 0.704),
        ("Le Mans", "72000", 48.002, 0.203),
        ("Metz", "57000", 49.119, 6.173),
        ("Nancy", "54000", 48.684, 6.185),
        ("Rouen", "76000", 49.443, 1.099),
        ("Amiens", "80000", 49.9, 2.3),
        ("Poitiers", "86000", 46.583, 0.343),
        ("Limoges", "87000", 45.834, 1.248),
        ("Annecy", "74000", 45.909, 6.126),
        ("Orléans", "45000", 47.902, 1.904),
    ),
    *_towns(
        NETHERLANDS,
        _DUTCH,
        ("Utrecht", "3511 AA", 52.091, 5.122),
        ("Eindhoven", "5611 AA", 51.441, 5.478),
        ("Groningen", "9711 AA", 53.219, 6.567),
        ("Zwolle", "8011 AA", 52.513, 6.094),
        ("Breda", "4811 AA", 51.587, 4.776),
        ("Middelburg", "4331 AA", 51.5, 3.614),
        ("Amersfoort", "3811 AA", 52.155, 5.388),
        ("Apeldoorn", "7311 AA", 52.21, 5.969),
        ("Arnhem", "6811 AA", 51.98, 5.911),
        ("Assen", "9401 AA", 52.997, 6.562),
        ("Delft", "2611 AA", 52.007, 4.356),
        ("Deventer", "7411 AA", 52.255, 6.164),
        ("Dordrecht", "3311 AA", 51.81, 4.674),
        ("Enschede", "7511 AA", 52.218, 6.896),
        ("Gouda", "2801 AA", 52.017, 4.708),
        ("Haarlem", "2011 AA", 52.381, 4.637),
        ("Leeuwarden", "8911 AA", 53.203, 5.81),
        ("Leiden", "2311 AA", 52.158, 4.493),
        ("Maastricht", "6211 AA", 50.848, 5.689),
        ("Nijmegen", "6511 AA", 51.843, 5.853),
        ("Rotterdam", "3011 AA", 51.922, 4.479),
        ("Tilburg", "5038 AA", 51.556, 5.091),
        ("Venlo", "5911 AA", 51.37, 6.168),
        ("Zutphen", "7201 AA", 52.138, 6.201),
    ),
    *_towns(
        BELGIUM,
        _DUTCH,
        ("Gent", "9000", 51.05, 3.717),
        ("Antwerpen", "2000", 51.22, 4.4),
        ("Leuven", "3000", 50.88, 4.701),
        ("Brugge", "8000", 51.209, 3.224),
        ("Mechelen", "2800", 51.026, 4.478),
        ("Hasselt", "3500", 50.931, 5.338),
        ("Kortrijk", "8500", 50.828, 3.265),
    ),
    *_towns(
        BELGIUM,
        _WALLOON,
        ("Namur", "5000", 50.467, 4.867),
        ("Liège", "4000", 50.634, 5.567),
        ("Mons", "7000", 50.454, 3.952),
        ("Tournai", "7500", 50.607, 3.389),
        ("Charleroi", "6000", 50.411, 4.444),
    ),
    *_towns(
        PORTUGAL,
        _PORTUGUESE,
        ("Lisboa", "1100-148", 38.725, -9.15),
        ("Porto", "4000-322", 41.148, -8.611),
        ("Coimbra", "3000-150", 40.207, -8.42),
        ("Braga", "4700-308", 41.551, -8.423),
        ("Aveiro", "3810-164", 40.646, -8.646),
        ("Évora", "7000-508", 38.566, -7.904),
        ("Faro", "8000-138", 37.019, -7.927),
        ("Leiria", "2400-137", 39.744, -8.807),
    ),
    *_towns(
        DENMARK,
        _DANISH,
        ("Aarhus", "8000", 56.157, 10.21),
        ("Odense", "5000", 55.396, 10.388),
        ("Kolding", "6000", 55.49, 9.472),
        ("Vejle", "7100", 55.709, 9.536),
    ),
)
